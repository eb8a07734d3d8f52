"""What every sandbox is built from: a server, a virtual clock, tables, faults and a made-up business."""

from syncline.connect.sandbox.app import (
    App,
    Delivery,
    Reply,
    Request,
    Route,
    Sandbox,
    SandboxSettings,
    Switches,
)
from syncline.connect.sandbox.clock import VirtualClock
from syncline.connect.sandbox.faults import Fault, FaultKind
from syncline.connect.sandbox.server import SandboxServer
from syncline.connect.sandbox.tables import Table, Tables
from syncline.connect.sandbox.world import Company, Invoice, InvoiceLine, Product, World, make_world

__all__ = [
    "App",
    "Company",
    "Delivery",
    "Fault",
    "FaultKind",
    "Invoice",
    "InvoiceLine",
    "Product",
    "Reply",
    "Request",
    "Route",
    "Sandbox",
    "SandboxServer",
    "SandboxSettings",
    "Switches",
    "Table",
    "Tables",
    "VirtualClock",
    "World",
    "make_world",
]
