"""Secrets over HTTP: values go in, and nothing gives them back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.catalog.etags import IfMatch, etag, wanted_revision
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.secrets.models import SecretRow
from automa.secrets.schemas import NewSecret, SecretChanges, SecretView
from automa.secrets.service import SecretService
from automa.storage.session import Storage

SecretId = Annotated[str, Path(max_length=36, description="The secret's id.")]


def secret_routes(service: SecretService, guard: Guard, changes: Changes, storage: Storage) -> APIRouter:
    """The routes under `/api/v1/secrets`."""
    router = APIRouter(prefix="/api/v1/secrets", tags=["secrets"])
    reads, writes = Depends(guard.require("secrets:read")), Depends(guard.require("secrets:write"))

    @router.get("", operation_id="list_secrets", summary="Secrets that you may know of, the newest first")
    async def list_secrets(
        caller: Caller = reads, request: PageRequest = Depends(page_request)
    ) -> Page[SecretView]:
        """Yours and those for everyone. Values are not shown, here or elsewhere."""
        async with storage.read() as session:
            rows = await service.page(session, caller, request)
        page, cursor = cut(rows, request, lambda row: row.id)
        return Page(items=[SecretView.of(row) for row in page], next_cursor=cursor)

    @router.post("", status_code=201, operation_id="create_secret", summary="Keep a secret")
    async def create_secret(body: NewSecret, response: Response, caller: Caller = writes) -> SecretView:
        """A script gets it as `automa.secret(name)` once it declares it under `secrets`."""
        async with changes(caller.actor) as change:
            row = await service.create(
                change, caller, body.name, body.value.get_secret_value(), body.description, body.share()
            )
        response.headers["Location"] = f"/api/v1/secrets/{row.id}"
        return _shown(row, response)

    @router.get("/{secret_id}", operation_id="read_secret", summary="One secret, but for its value")
    async def read_secret(secret_id: SecretId, response: Response, caller: Caller = reads) -> SecretView:
        """One secret, but for its value."""
        async with storage.read() as session:
            return _shown(await service.get(session, caller, secret_id), response)

    @router.patch("/{secret_id}", operation_id="update_secret", summary="Replace, describe or share a secret")
    async def update_secret(
        secret_id: SecretId,
        body: SecretChanges,
        response: Response,
        caller: Caller = writes,
        if_match: IfMatch = None,
    ) -> SecretView:
        """Runs that begin from now on get the new value."""
        async with changes(caller.actor) as change:
            row = await service.update(
                change,
                caller,
                secret_id,
                value=body.value.get_secret_value() if body.value is not None else None,
                description=body.description,
                share=body.share(),
                revision=wanted_revision(if_match),
            )
        return _shown(row, response)

    @router.delete("/{secret_id}", status_code=204, operation_id="delete_secret", summary="Delete a secret")
    async def delete_secret(secret_id: SecretId, caller: Caller = writes) -> None:
        """Scripts that declare it do not start any more."""
        async with changes(caller.actor) as change:
            await service.delete(change, caller, secret_id)

    return router


def _shown(row: SecretRow, response: Response) -> SecretView:
    response.headers["ETag"] = etag(row.revision)
    return SecretView.of(row)
