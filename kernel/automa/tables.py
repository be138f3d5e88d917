"""All tables of the kernel together: what migrations and tests need to know, and nobody else."""

import automa.audit.models
import automa.auth.models
import automa.events.models
import automa.extend.models
import automa.http.models  # noqa: F401
from automa.storage.tables import Base

metadata = Base.metadata
