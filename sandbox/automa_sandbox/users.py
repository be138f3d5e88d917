"""Users that exist only as numbers: each run of root's sandboxes and of containers has one of its own."""

import random

# A range that systemd documents as free for any use: https://systemd.io/UIDS-GIDS/
_FIRST_UID, _LAST_UID = 1_879_048_192, 2_147_352_575


def random_uid() -> int:
    return random.SystemRandom().randint(_FIRST_UID, _LAST_UID)
