"""Make a digest of a mailbox.

Reads an mbox file, puts the messages into threads, and prints one short entry per thread: who wrote, how
often, what was attached, and what the newest message says once quotes and signatures are left out.
A plain script: its parameters come as JSON in the environment variable AUTOMA_PARAMS.
"""

import json
import mailbox
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from email.utils import parseaddr
from pathlib import Path
from textwrap import indent, shorten


@dataclass
class Mail:
    id: str
    answers: list[str]
    """The ids of the messages before it in the thread, the nearest last."""
    sender: str
    subject: str
    date: datetime
    text: str
    attachments: list[str]


def read(path: Path) -> Iterator[Mail]:
    box = mailbox.mbox(path, create=False)
    for key in box.iterkeys():
        # Parsed once more in the modern way, which decodes headers and bodies.
        yield to_mail(message_from_bytes(box.get_bytes(key), policy=policy.default))


def to_mail(message: EmailMessage) -> Mail:
    name, address = parseaddr(str(message.get("from", "")))
    answers = f"{message.get('references', '')} {message.get('in-reply-to', '')}".split()
    return Mail(
        id=str(message.get("message-id", "")).strip(),
        answers=answers,
        sender=name or address or "(unknown)",
        subject=str(message.get("subject", "")).strip() or "(no subject)",
        date=date_of(message),
        text=text_of(message),
        attachments=[part.get_filename() or "(no name)" for part in message.iter_attachments()],
    )


def date_of(message: EmailMessage) -> datetime:
    """When it was sent. Wrong dates count as very old, and dates without a zone as UTC."""
    date = getattr(message.get("date"), "datetime", None)
    if not isinstance(date, datetime):
        return datetime(1970, 1, 1, tzinfo=UTC)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def text_of(message: EmailMessage) -> str:
    """What the sender wrote: no quotes, nothing from the signature on."""
    part = message.get_body(("plain",))
    lines: list[str] = []
    for line in decode(part).splitlines() if part else []:
        if line.rstrip("\r") in ("-- ", "--"):
            break
        if line.startswith(">From "):  # mbox puts the > before lines that look like the start of a message
            line = line[1:]
        if not line.startswith(">") and not (line.startswith("On ") and line.rstrip().endswith("wrote:")):
            lines.append(line.strip())
    return " ".join(" ".join(lines).split())


def decode(part: MIMEPart) -> str:
    try:
        return part.get_content()
    except LookupError:  # it names a character set that does not exist
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def threads(mails: list[Mail]) -> list[list[Mail]]:
    """The messages by thread, each in the order of time, the thread with the newest message first."""
    root_of: dict[str, str] = {}
    groups: dict[str, list[Mail]] = {}
    for mail in sorted(mails, key=lambda mail: mail.date):
        known = [root_of[answered] for answered in mail.answers if answered in root_of]
        root = known[0] if known else mail.id
        root_of[mail.id] = root
        groups.setdefault(root, []).append(mail)
    return sorted(groups.values(), key=lambda thread: thread[-1].date, reverse=True)


def entry(thread: list[Mail], width: int) -> str:
    newest = thread[-1]
    senders = " · ".join(
        name if count == 1 else f"{name} ({count})"
        for name, count in Counter(mail.sender for mail in thread).items()
    )
    lines = [senders, shorten(newest.text, width, placeholder=" …") or "(no text)"]
    if attached := [name for mail in thread for name in mail.attachments]:
        lines.append(f"Attached: {', '.join(attached)}")
    return f"{newest.date:%d %b %H:%M}  {thread[0].subject}\n{indent(chr(10).join(lines), ' ' * 14)}"


def digest(path: str = "team.mbox", days: float = 7, width: int = 160) -> None:
    """Print the threads of the last `days` before the newest message of the mailbox."""
    try:
        mails = list(read(Path(path)))
    except mailbox.NoSuchMailboxError:
        sys.exit(f"There is no mailbox {path}.")
    if not mails:
        sys.exit(f"{path} holds no message.")
    since = max(mail.date for mail in mails) - timedelta(days=days)
    recent = threads([mail for mail in mails if mail.date >= since])
    print(
        f"{sum(map(len, recent))} of {len(mails)} messages in {len(recent)} threads since {since:%d %B %Y}\n"
    )
    for thread in recent:
        print(entry(thread, width), end="\n\n")


if __name__ == "__main__":
    try:
        digest(**json.loads(os.environ.get("AUTOMA_PARAMS", "{}")))
    except TypeError as error:
        sys.exit(str(error))
