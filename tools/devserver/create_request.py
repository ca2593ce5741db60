"""The create request: its schema, and the checks that answer 400 instead of 422."""

import re
from datetime import datetime, timedelta, timezone

from .errors import ApiError
from .validation import Boolean, Integer, ListOf, MapOf, Model, Nullable, String

_DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_RESERVED_PREFIX = "opensandbox.io/"
_DEFAULT_ENTRYPOINT = ["tail", "-f", "/dev/null"]


def _one_backend(volume):
    given = sum(volume[name] is not None for name in ("host", "pvc", "ossfs"))
    if given == 1:
        return None
    shape = "Exactly one backend (host, pvc, ossfs) must be specified, but %s provided."
    return shape % ("multiple were" if given else "none was")


def _inline_credentials(ossfs):
    if ossfs["accessKeyId"] and ossfs["accessKeySecret"]:
        return None
    return "OSSFS inline credentials are required: accessKeyId and accessKeySecret."


def _source_and_entrypoint(fields):
    snapshot_id = (fields["snapshotId"] or "").strip()
    credential_proxy = (fields["credentialProxy"] or {}).get("enabled")
    if (fields["extensions"] or {}).get("poolRef", "").strip():
        if snapshot_id:
            return "snapshotId cannot be used together with poolRef."
        if credential_proxy:
            return "credentialProxy.enabled cannot be used together with poolRef."
        return None
    has_image = bool(fields["image"] and fields["image"]["uri"].strip())
    rules = (
        (credential_proxy and fields["networkPolicy"] is None,
         "credentialProxy.enabled requires networkPolicy."),
        (has_image == bool(snapshot_id), "Exactly one of image or snapshotId must be provided."),
        (has_image and not fields["entrypoint"], "Entrypoint is required when image is provided."),
        (fields["resourceLimits"] is None,
         "resourceLimits is required when poolRef is not provided."),
    )
    return next((message for broken, message in rules if broken), None)


_IMAGE = Model(
    {"uri": String()},
    {"auth": (Model({"username": String(), "password": String()}), None)},
)
NETWORK_POLICY = Model(
    optional={
        "defaultAction": (String(), None),
        "egress": (ListOf(Model({"action": String(), "target": String(min_length=1)})), []),
    },
)
_PVC = Model(
    {"claimName": String(_DNS_NAME, max_length=253)},
    {
        "createIfNotExists": (Boolean(), True),
        "deleteOnSandboxTermination": (Boolean(), False),
        "storageClass": (String(), None),
        "storage": (String(r"^\d+(\.\d+)?(Ki|Mi|Gi|Ti|Pi|Ei)?$"), None),
        "accessModes": (ListOf(String()), None),
    },
)
_OSSFS = Model(
    {"bucket": String(min_length=3, max_length=63), "endpoint": String(min_length=1)},
    {
        "version": (String(choices=("1.0", "2.0")), "2.0"),
        "options": (ListOf(String()), None),
        "accessKeyId": (String(min_length=1), None),
        "accessKeySecret": (String(min_length=1), None),
    },
    _inline_credentials,
)
_VOLUME = Model(
    {"name": String(_DNS_NAME, max_length=63), "mountPath": String(r"^/.*")},
    {
        "host": (Model({"path": String(r"^(/|[A-Za-z]:[\\/])")}), None),
        "pvc": (_PVC, None),
        "ossfs": (_OSSFS, None),
        "readOnly": (Boolean(), False),
        "subPath": (String(), None),
    },
    _one_backend,
)
CREATE_REQUEST = Model(
    optional={
        "image": (_IMAGE, None),
        "snapshotId": (String(), None),
        "platform": (Model({"os": String(), "arch": String()}), None),
        "timeout": (Integer(minimum=60), None),
        "resourceLimits": (MapOf(String()), None),
        "resourceRequests": (MapOf(String()), None),
        "env": (MapOf(Nullable(String())), None),
        "metadata": (MapOf(String()), None),
        "entrypoint": (ListOf(String(), min_length=1), None),
        "networkPolicy": (NETWORK_POLICY, None),
        "credentialProxy": (Model(optional={"enabled": (Boolean(), False)}), None),
        "secureAccess": (Boolean(), False),
        "volumes": (ListOf(_VOLUME), None),
        "extensions": (MapOf(String()), None),
    },
    rule=_source_and_entrypoint,
)


def check_semantics(fields):
    """Checks beyond the schema; fills in the defaults that depend on other fields."""
    if not fields["entrypoint"]:
        fields["entrypoint"] = list(_DEFAULT_ENTRYPOINT)
    _check_renewal_on_access(fields["extensions"] or {})
    check_labels(fields["metadata"] or {})
    _check_platform(fields["platform"])
    _check_timeout(fields["timeout"])
    _check_volumes(fields["volumes"] or [])


def _invalid(message):
    return ApiError(400, "SANDBOX::INVALID_PARAMETER", message)


def _check_renewal_on_access(extensions):
    key = "access.renew.extend.seconds"
    if key not in extensions:
        return
    text = extensions[key].strip()
    if not re.fullmatch(r"[+-]?\d+", text) or not 300 <= int(text) <= 86400:
        raise _invalid('extensions["%s"] must be an integer from 300 to 86400.' % key)


_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LABEL_PREFIX = re.compile(
    r"(?:[a-z0-9]([-a-z0-9]*[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?"
)


def is_reserved(key):
    return key.startswith(_RESERVED_PREFIX)


def check_labels(metadata):
    """Metadata obeys the rules of Kubernetes labels."""
    for key, value in metadata.items():
        if is_reserved(key):
            what = "Metadata key '%s' uses the reserved prefix '%s'." % (key, _RESERVED_PREFIX)
        elif not _is_label_key(key):
            what = "Metadata key '%s' is invalid." % key
        elif value and (len(value) > 63 or not _LABEL_NAME.fullmatch(value)):
            what = "Metadata value '%s' is invalid." % value
        else:
            continue
        raise ApiError(400, "SANDBOX::INVALID_METADATA_LABEL", what)


def _is_label_key(key):
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _LABEL_PREFIX.fullmatch(prefix)):
        return False
    return len(name) <= 63 and bool(_LABEL_NAME.fullmatch(name))


def _check_platform(platform):
    if platform is None:
        return
    for field, supported in (("os", ("linux", "windows")), ("arch", ("amd64", "arm64"))):
        given = platform[field]
        platform[field] = given.strip().lower()
        if platform[field] not in supported:
            shape = "Unsupported platform.%s '%s'. Supported values: %s."
            raise _invalid(shape % (field, given, list(supported)))


def _check_timeout(seconds):
    try:
        datetime.now(timezone.utc) + timedelta(seconds=seconds or 0)
    except OverflowError:
        raise _invalid("Sandbox timeout %ds is too large." % seconds) from None


def _check_volumes(volumes):
    seen = set()
    for volume in volumes:
        name, sub_path = volume["name"], volume["subPath"] or ""
        if name in seen:
            raise ApiError(400, "VOLUME::DUPLICATE_NAME", "Duplicate volume name '%s'." % name)
        seen.add(name)
        if sub_path.startswith("/") or ".." in sub_path.split("/"):
            message = "SubPath '%s' must be relative and without '..'." % sub_path
            raise ApiError(400, "VOLUME::INVALID_SUB_PATH", message)
        for option in (volume["ossfs"] or {}).get("options") or ():
            if not option.strip() or option.strip().startswith("-"):
                message = "OSSFS option '%s' must be a payload without '-'." % option
                raise ApiError(400, "VOLUME::INVALID_OSSFS_OPTION", message)
