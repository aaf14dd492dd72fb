"""SOAP as far as `hpsw` needs it: what a WSDL offers, envelopes of plain values, and what comes back.

A SOAP library would bring a second HTTP client with its own limits, retries and time-outs, and types for
hundreds of operations of which a few dozen are called. Here calls go through the session every connector
uses. Element names are compared without their namespace, which is inferred for this vendor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

Node: TypeAlias = ElementTree.Element
Value: TypeAlias = str | int | bool | date | datetime
Argument: TypeAlias = Value | tuple[str, Sequence[Value]]
"""A plain value, or (name of its children, values) for an array."""

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class NotSoap(ValueError):
    """What came is no SOAP answer, or no WSDL."""


class SoapFault(Exception):
    """The server's refusal of one call; the message is its own."""


@dataclass(frozen=True)
class Operation:
    """One operation of the service: where it is called, as the WSDL says, and how."""

    name: str
    address: str
    action: str
    namespace: str


def operations(wsdl: str) -> dict[str, Operation]:
    """What a WSDL offers, by name. Raises NotSoap."""
    root = _parsed(wsdl)
    if _local(root) != "definitions":
        raise NotSoap("no WSDL")
    addresses: dict[str, str] = {}
    for port in _all(root, "port"):
        for address in _all(port, "address"):
            addresses[_unprefixed(port.get("binding", ""))] = address.get("location", "")
    found: dict[str, Operation] = {}
    for binding in (child for child in root if _local(child) == "binding"):
        address_of = addresses.get(binding.get("name", ""), "")
        for node in (child for child in binding if _local(child) == "operation"):
            name = node.get("name", "")
            action = next((o.get("soapAction", "") for o in node if _local(o) == "operation"), "")
            bodies = [body for given in node if _local(given) == "input" for body in _all(given, "body")]
            namespace = next((body.get("namespace", "") for body in bodies), "")
            if name and address_of:
                found[name] = Operation(name, address_of, action, namespace or root.get("targetNamespace", ""))
    return found


def here(address: str, base: str) -> str:
    """The path of an operation's address at the server `base` names.

    A WSDL often tells an address of the school's inner network: all that counts of it is what follows the
    service's root, the last segment of `base`."""
    path, root = urlsplit(address).path, urlsplit(base).path.rstrip("/")
    last = root.rpartition("/")[2]
    inner = path.partition(f"/{last}/")[2] if last else ""
    return f"{root}/{inner}" if inner else path


def envelope(operation: Operation, arguments: Mapping[str, Argument]) -> bytes:
    """A call, RPC style: parameters have no namespace."""
    inside = "".join(_argument(name, value) for name, value in arguments.items())
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soap:Envelope xmlns:soap="{_SOAP}"><soap:Body>'
        f"<m:{operation.name} xmlns:m={quoteattr(operation.namespace)}>{inside}</m:{operation.name}>"
        "</soap:Body></soap:Envelope>"
    ).encode()


def answer(text: str) -> Node | None:
    """The value a call returned; None where it returns nothing. Raises SoapFault, NotSoap."""
    root = _parsed(text)
    body = next((child for child in root if _local(child) == "Body"), None)
    if _local(root) != "Envelope" or body is None or not len(body):
        raise NotSoap("no SOAP envelope")
    said = body[0]
    if _local(said) == "Fault":
        words = [node.text or "" for node in said.iter() if _local(node) in ("faultstring", "Text")]
        raise SoapFault(" ".join(words).strip() or "no reason given")
    return said[0] if len(said) else None


def items(node: Node | None) -> list[Node]:
    """The members of an array."""
    return [] if node is None else list(node)


def value(node: Node | None) -> str | None:
    """A plain value as text; None for nil."""
    if node is None or node.get(_NIL) in ("true", "1"):
        return None
    return node.text or ""


def fields(node: Node) -> dict[str, Node]:
    """The members of a structure by name."""
    return {_local(child): child for child in node}


def _argument(name: str, given: Argument) -> str:
    if isinstance(given, tuple):
        child, values = given
        inside = "".join(f"<{child}>{_text(one)}</{child}>" for one in values)
        return f"<{name}>{inside}</{name}>"
    return f"<{name}>{_text(given)}</{name}>"


def _text(given: Value) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, datetime):
        return given.replace(tzinfo=None).isoformat(timespec="seconds")
    if isinstance(given, date):
        return given.isoformat()
    return escape(str(given))


def _parsed(text: str) -> Node:
    if "<!DOCTYPE" in text:
        raise NotSoap("a document type declaration")
    try:
        return ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise NotSoap(str(error)) from None


def _all(node: Node, name: str) -> Iterator[Node]:
    return (one for one in node.iter() if _local(one) == name)


def _local(node: Node) -> str:
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def _unprefixed(name: str) -> str:
    return name.rpartition(":")[2]


def texts(nodes: Iterable[Node]) -> list[str]:
    """Plain values as texts; "" for nil."""
    return [value(node) or "" for node in nodes]
