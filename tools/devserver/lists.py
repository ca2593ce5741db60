"""What all listings of the lifecycle API share."""

import math

from .validation import validated


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
