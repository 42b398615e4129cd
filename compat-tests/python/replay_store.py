"""A store that random sequences are replayed on, and what it answered in a form that can be compared.

Calls name ETags and upload ids by what they stand for ("what this key had at first"), because each store has its own.
"""

from botocore.exceptions import ClientError

NOBODYS = '"0123456789abcdef0123456789abcdef"'


class Store:
    """A client, with what its store said that later calls refer to."""

    def __init__(self, client):
        self.client = client
        self.etags = {}
        self.uploads = []

    def etag(self, key, which):
        """Its latest ETag, the one before, or one that it never had."""
        known = self.etags.get(key, [])
        return {"latest": known[-1:], "earlier": known[-2:-1], "nobody's": []}[which][:1] or [NOBODYS]

    def note(self, key, etag):
        self.etags.setdefault(key, []).append(etag)

    def upload(self, n):
        """(key, id) of the n-th upload; one that was never begun when there are fewer."""
        return self.uploads[n] if n < len(self.uploads) else ("a", "never-begun")


def answer(call, **arguments):
    """What a call came to: its fields, or the status and code of its error."""
    try:
        return call(**arguments)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"error": (status, error.response["Error"]["Code"])}


def shown(response, *fields):
    """The fields that both stores should agree on, and whether there was an error."""
    if "error" in response:
        return {"error": response["error"]}
    return {"status": response["ResponseMetadata"]["HTTPStatusCode"], **{field: response.get(field) for field in fields}}
