"""Zoho CRM (API v8): the connector ``zoho-crm``, its metadata and its sandbox."""
