"""What all listings of the lifecycle API share."""

import math

from .validation import Integer, Invalid, validated


PAGE = Integer(minimum=1)
PAGE_SIZE = Integer(minimum=1, maximum=200)


def page_and_size(request):
    """Both are checked before either is complained about."""
    errors, values = [], []
    for name, default, schema in (("page", 1, PAGE), ("pageSize", 20, PAGE_SIZE)):
        text = request.query(name)
        values.append(
            default if text is None else schema.check(text, ("query", name), errors))
    if errors:
        raise Invalid(errors)
    return values


def query_number(request, name, default, schema):
    text = request.query(name)
    return default if text is None else validated(schema, text, ("query", name))


def paginated(items, page, size):
    pages = math.ceil(len(items) / size)
    return {
        "items": items[(page - 1) * size:page * size],
        "pagination": {
            "page": page, "pageSize": size, "totalItems": len(items), "totalPages": pages,
            "hasNextPage": page < pages,
        },
    }
