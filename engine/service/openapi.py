"""The OpenAPI 3.1 document of the API, from the one table of endpoints and the models."""

from __future__ import annotations

import re
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from engine.service import models
from engine.service.endpoints import ENDPOINTS, FILE, JSON, STATUS_BY_CODE, Endpoint, Parameter

_REF = "#/components/schemas/{model}"
_JSON_TYPE = {str: "string", int: "integer", bool: "boolean"}


def document(version: str) -> dict[str, Any]:
    """The whole document; `version` is the program's."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rollcall engine",
            "version": version,
            "description": "Served on a Unix socket; the connected Unix user is who asks.",
        },
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    views = [
        view
        for view in vars(models).values()
        if isinstance(view, type) and issubclass(view, models.View) and view is not models.View
    ]
    _refs, top = models_json_schema(
        [(view, "validation" if view.__name__.endswith("Request") else "serialization") for view in views],
        ref_template=_REF,
    )
    schemas: dict[str, Any] = top["$defs"]
    return schemas


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "x-least-role": endpoint.role,
        "responses": {**_answers(endpoint), **_problems()},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ] + [_parameter(parameter) for parameter in endpoint.query]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": {"$ref": _REF.format(model=endpoint.request.__name__)}}},
        }
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _JSON_TYPE[parameter.type]}
    if parameter.default is not None and not parameter.required:
        schema["default"] = parameter.default
    if parameter.least is not None:
        schema["minimum"] = parameter.least
    if parameter.most is not None:
        schema["maximum"] = parameter.most
    return {"name": parameter.name, "in": "query", "required": parameter.required, "schema": schema}


def _answers(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.media != JSON:
        schema: dict[str, Any] = {"type": "string"}
        if endpoint.media == FILE:
            schema["contentMediaType"] = FILE
        return {"200": {"description": endpoint.summary, "content": {endpoint.media: {"schema": schema}}}}
    if endpoint.answer is None:
        return {"204": {"description": "Done."}}
    answer = TypeAdapter(endpoint.answer).json_schema(ref_template=_REF, mode="serialization")
    answer.pop("$defs", None)
    if isinstance(endpoint.answer, type) and issubclass(endpoint.answer, models.View):
        answer = {"$ref": _REF.format(model=endpoint.answer.__name__)}
    return {"200": {"description": endpoint.summary, "content": {JSON: {"schema": answer}}}}


def _problems() -> dict[str, Any]:
    content = {JSON: {"schema": {"$ref": _REF.format(model="Problem")}}}
    by_status: dict[int, list[str]] = {}
    for code, status in STATUS_BY_CODE.items():
        by_status.setdefault(status, []).append(code)
    return {
        str(status): {"description": "Not done: " + ", ".join(codes) + ".", "content": content}
        for status, codes in by_status.items()
    }
