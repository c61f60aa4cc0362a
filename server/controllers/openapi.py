"""The interface description: what FastAPI cannot see of bodies we read and events we write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

REFERENCE = "#/components/schemas/{model}"


def reference(model: type[BaseModel]) -> dict[str, str]:
    """A pointer to the schema of `model`, which `describe` must be given."""
    return {"$ref": REFERENCE.format(model=model.__name__)}


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads `model` itself."""
    content = {"application/json": {"schema": reference(model)}}
    return {"requestBody": {"required": True, "content": content}}


def json_or_form(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads `model` itself, as JSON or as a form."""
    form = model.model_json_schema(ref_template=REFERENCE)
    form["properties"] = {name: _in_a_form(field) for name, field in form["properties"].items()}
    content = {
        "application/json": {"schema": reference(model)},
        "multipart/form-data": {"schema": form},
    }
    return {"requestBody": {"required": True, "content": content}}


def _in_a_form(field: dict[str, Any]) -> dict[str, Any]:
    """A field's schema where it is a part of its own: sound and long texts are files there."""
    options = field.get("anyOf", [field])
    if any("contentMediaType" in option for option in options):
        return {"type": "string", "format": "binary", "description": field["description"]}
    if any(option.get("type") == "array" for option in options):
        json_text = {"type": "string", "contentMediaType": "application/json"}
        return json_text | {"description": field["description"]}
    return field


def describe(app: FastAPI, models: Iterable[type[BaseModel]]) -> None:
    """Add the schemas of `models` to those that FastAPI finds by itself."""
    generate = app.openapi
    _, schemas = models_json_schema([(m, "validation") for m in models], ref_template=REFERENCE)

    def openapi() -> dict[str, Any]:
        description = generate()
        components = description.setdefault("components", {}).setdefault("schemas", {})
        components.update(schemas["$defs"])
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation has it
