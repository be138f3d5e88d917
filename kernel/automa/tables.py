"""All tables of the kernel together: what migrations and tests need to know, and nobody else."""

from automa.audit import models as audit
from automa.auth import models as auth
from automa.catalog import models as catalog
from automa.environments import models as environments
from automa.events import models as events
from automa.extend import models as extend
from automa.http import models as http
from automa.runs import models as runs
from automa.secrets import models as secrets
from automa.storage.tables import Base

ROOMS = (audit, auth, catalog, environments, events, extend, http, runs, secrets)
"""The rooms that have tables; importing them is what makes the metadata whole."""

metadata = Base.metadata
