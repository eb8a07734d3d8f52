"""Zoho Books (API v3): the connector ``zoho-books``, its catalogue and its sandbox."""
