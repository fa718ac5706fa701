"""Records of every source, made up, of 2 kB each: a read and a change, in the shape of the provider's log."""

import json
from typing import Any

RECORD_BYTES = 2_000
TIME = "2026-09-01T10:00:00.123Z"
TENANT = "00000000-aaaa-bbbb-cccc-000000000001"
PRINCIPAL = "00000000-aaaa-bbbb-cccc-000000000002"

ROLE: dict[str, Any] = {
    "type": "AssumedRole",
    "principalId": "AROADEPLOYER:run-17",
    "arn": "arn:aws:sts::222200001111:assumed-role/deployer/run-17",
    "accountId": "222200001111",
    "accessKeyId": "ASIAMADEUPROLEKEY001",
    "sessionContext": {
        "sessionIssuer": {
            "type": "Role",
            "principalId": "AROADEPLOYER",
            "arn": "arn:aws:iam::222200001111:role/deployer",
            "accountId": "222200001111",
            "userName": "deployer",
        },
        "attributes": {"creationDate": "2026-09-01T09:58:00Z", "mfaAuthenticated": "false"},
    },
}
GRANT = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)


def _cloudtrail(service: str, event: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "userIdentity": ROLE,
        "eventTime": "2026-09-01T10:00:00Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": event,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.31",
        "requestParameters": parameters,
        "responseElements": None,
        "requestID": "11111111-2222-3333-4444-555555555555",
        "eventID": "99999999-8888-7777-6666-555555555555",
        "eventType": "AwsApiCall",
        "recipientAccountId": "222200001111",
    }


def _okta(event: str, *targets: tuple[str, str]) -> dict[str, Any]:
    return {
        "uuid": "22222222-0000-0000-0000-000000000000",
        "published": TIME,
        "eventType": event,
        "actor": {
            "id": "0oaclient",
            "type": "PublicClientApp",
            "alternateId": "0oaclient",
            "displayName": "bot",
        },
        "client": {"userAgent": {"rawUserAgent": "python"}, "id": "0oaclient", "ipAddress": "198.51.100.7"},
        "outcome": {"result": "SUCCESS", "reason": None},
        "target": [
            {"id": f"00{kind}", "type": kind, "alternateId": name, "displayName": name}
            for kind, name in targets
        ],
        "transaction": {"type": "WEB", "id": "t-1", "detail": {"requestApiTokenId": "00Ttoken"}},
        "debugContext": {"debugData": {"requestId": "r-1", "requestUri": "/api/v1/x"}},
        "authenticationContext": {"authenticationStep": 0, "externalSessionId": "trs-1"},
    }


def _entra(category: str, operation: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "time": TIME,
        "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam",
        "operationName": operation,
        "category": category,
        "tenantId": TENANT,
        "resultType": "0",
        "resultSignature": "None",
        "callerIpAddress": "198.51.100.7",
        "correlationId": "33333333-0000-0000-0000-000000000000",
        "properties": properties,
    }


GRAPH = {
    "requestId": "q-1",
    "clientRequestId": "q-2",
    "requestMethod": "GET",
    "responseStatusCode": 200,
    "requestUri": "https://graph.microsoft.com/v1.0/groups?$top=10",
    "appId": "app-1",
    "servicePrincipalId": PRINCIPAL,
    "signInActivityId": "uti-1",
    "timeGenerated": TIME,
}
MEMBER = {
    "id": "Directory_1",
    "result": "success",
    "activityDisplayName": "Add member to role",
    "activityDateTime": TIME,
    "operationType": "Assign",
    "initiatedBy": {"app": {"appId": "app-1", "displayName": "desk", "servicePrincipalId": PRINCIPAL}},
    "targetResources": [
        {
            "id": "u-1",
            "displayName": "ann",
            "type": "User",
            "userPrincipalName": "ann@example.org",
            "modifiedProperties": [{"displayName": "Role.DisplayName", "newValue": '"Global Reader"'}],
        }
    ],
}
SIGN_IN = {
    "id": "s-1",
    "createdDateTime": TIME,
    "appId": "app-1",
    "servicePrincipalId": PRINCIPAL,
    "servicePrincipalName": "desk",
    "uniqueTokenIdentifier": "uti-1",
    "resourceDisplayName": "Microsoft Graph",
    "status": {"errorCode": 0},
}


def _gcp(service: str, method: str, resource: str, request: dict[str, Any]) -> dict[str, Any]:
    return {
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "status": {},
            "authenticationInfo": {"principalEmail": "bot@made-up.iam.gserviceaccount.com"},
            "requestMetadata": {"callerIp": "198.51.100.7", "callerSuppliedUserAgent": "python"},
            "serviceName": service,
            "methodName": method,
            "authorizationInfo": [{"resource": resource, "permission": "x.y.z", "granted": True}],
            "resourceName": resource,
            "request": request,
        },
        "insertId": "i-1",
        "resource": {"type": "project", "labels": {"project_id": "made-up"}},
        "timestamp": TIME,
    }


def _kubernetes(verb: str, resource: str, body: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": "44444444-0000-0000-0000-000000000000",
        "stage": "ResponseComplete",
        "requestURI": f"/api/v1/namespaces/orders/{resource}",
        "verb": verb,
        "user": {
            "username": "system:serviceaccount:agents:restarter",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/pod-name": ["restarter-1"]},
        },
        "sourceIPs": ["198.51.100.7"],
        "userAgent": "kubectl",
        "objectRef": {"resource": resource, "namespace": "orders", "name": "app", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestObject": body,
        "requestReceivedTimestamp": TIME,
        "stageTimestamp": TIME,
        "annotations": {"authorization.k8s.io/decision": "allow"},
    }


BINDING = {
    "kind": "RoleBinding",
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "metadata": {"name": "app", "namespace": "orders"},
    "roleRef": {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"},
    "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "orders"}],
}


def _vault(operation: str, path: str) -> dict[str, Any]:
    return {
        "time": TIME,
        "type": "response",
        "auth": {
            "accessor": "hmac-sha256:aa",
            "display_name": "jwt-bot",
            "policies": ["default"],
            "entity_id": "e-1",
            "metadata": {"role": "bot"},
            "token_type": "service",
        },
        "request": {
            "id": "v-1",
            "operation": operation,
            "mount_point": "kv/",
            "mount_type": "kv",
            "path": path,
            "remote_address": "198.51.100.7",
        },
        "response": {"mount_point": "kv/", "mount_type": "kv"},
    }


def _keycloak(operation: str, kind: str, path: str) -> dict[str, Any]:
    return {
        "id": "k-1",
        "time": 1_788_256_800_123,
        "realmId": "r-1",
        "realmName": "corp",
        "operationType": operation,
        "resourceType": kind,
        "resourcePath": path,
        "authDetails": {"realmId": "m", "clientId": "c-1", "userId": "u-1", "ipAddress": "198.51.100.7"},
        "representation": json.dumps({"clientId": "app", "redirectUris": ["https://app.example.org/cb"]}),
    }


def _github(action: str) -> dict[str, Any]:
    return {
        "@timestamp": 1_788_256_800_123,
        "_document_id": "d-1",
        "action": action,
        "actor": "bot[bot]",
        "actor_id": 1,
        "actor_ip": "198.51.100.7",
        "created_at": 1_788_256_800_123,
        "org": "acme",
        "user_agent": "git",
        "request_id": "R:1",
        "repo": "acme/app",
        "hashed_token": "aGFzaA==",
    }


def _span(tool: str) -> dict[str, Any]:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": "call-1",
        "gen_ai.agent.id": "agent:desk",
        "gen_ai.conversation.id": "talk-81",
        "workflow.id": "work-1",
        "mcp.method.name": "tools/call",
        "mcp.session.id": "m-1",
    }
    span = {
        "traceId": "0" * 31 + "1",
        "spanId": "0" * 15 + "1",
        "parentSpanId": "0" * 15 + "2",
        "name": f"tools/call {tool}",
        "kind": 3,
        "startTimeUnixNano": "1788256800000000000",
        "endTimeUnixNano": "1788256800123000000",
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
        "status": {},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "agent-runtime"}}]}
    return {
        "resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": [span]}]}]
    }


def _own(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": f"com.example.chainbrake.{kind}.v1",
        "source": "//gateway.example.org",
        "id": f"c-{kind}",
        "time": TIME,
        "subject": "talk-81",
        "data": data,
    }


STARTED = {"session": "talk-81", "agent": {"id": "agent:desk"}, "workflow": "work-1", "parent_session": None}
BOUND = {
    "session": "talk-81",
    "provider": "okta",
    "credential_type": "okta.oauth_token",
    "credential_id": "AT.1",
}

RECORDS: dict[str, tuple[dict[str, Any], ...]] = {
    "aws.cloudtrail": (
        _cloudtrail("iam", "ListAttachedRolePolicies", {"roleName": "app"}),
        _cloudtrail("iam", "PutRolePolicy", {"roleName": "app", "policyName": "p", "policyDocument": GRANT}),
    ),
    "okta.system_log": (
        _okta("user.session.start", ("User", "ann")),
        _okta("group.user_membership.add", ("User", "ann"), ("UserGroup", "payroll")),
    ),
    "entra.audit": (
        _entra("MicrosoftGraphActivityLogs", "Microsoft Graph Activity", GRAPH),
        _entra("AuditLogs", "Add member to role", MEMBER),
    ),
    "entra.signin": (_entra("ServicePrincipalSignInLogs", "Sign-in activity", SIGN_IN),),
    "gcp.audit": (
        _gcp("storage.googleapis.com", "storage.objects.list", "projects/_/buckets/landing", {}),
        _gcp(
            "cloudresourcemanager.googleapis.com",
            "SetIamPolicy",
            "projects/made-up",
            {"policy": {"bindings": [{"role": "roles/viewer", "members": ["user:ann@example.org"]}]}},
        ),
    ),
    "kubernetes.audit": (_kubernetes("list", "pods", None), _kubernetes("create", "rolebindings", BINDING)),
    "vault.audit": (_vault("read", "kv/data/orders/db"), _vault("update", "sys/policies/acl/orders")),
    "keycloak.admin": (
        _keycloak("UPDATE", "CLIENT", "clients/c-1"),
        _keycloak("CREATE", "REALM_ROLE_MAPPING", "users/u-2/role-mappings/realm"),
    ),
    "github.audit": (_github("git.clone"), _github("protected_branch.policy_override")),
    "otel.span": (_span("ecs_describe_services"), _span("iam_attach_role_policy")),
    "chainbrake.event": (_own("session.started", STARTED), _own("credential.bound", BOUND)),
}
"""By source."""


def padded(record: dict[str, Any], size: int = RECORD_BYTES) -> bytes:
    """The record in as many bytes, with a field that nobody reads."""
    content = json.dumps(record | {"padding": ""}).encode()
    return content[:-2] + b"x" * max(0, size - len(content)) + content[-2:]
