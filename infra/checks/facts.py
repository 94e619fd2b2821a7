"""Facts that the templates are held to. Source: Microsoft's samples, type definitions and documentation of 2026."""

from __future__ import annotations

API_VERSIONS = {
    "Microsoft.Resources/resourceGroups": "2025-04-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2024-11-30",
    "Microsoft.OperationalInsights/workspaces": "2025-07-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",  # there is no other one
    "Microsoft.Insights/scheduledQueryRules": "2026-03-01",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/workbooks": "2023-06-01",
    "Microsoft.Insights/webtests": "2022-06-15",
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Storage/storageAccounts": "2025-06-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2025-06-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2025-06-01",
    "Microsoft.Storage/storageAccounts/queueServices": "2025-06-01",
    "Microsoft.Storage/storageAccounts/tableServices": "2025-06-01",
    "Microsoft.Web/serverfarms": "2025-03-01",
    "Microsoft.Web/sites": "2025-03-01",
    "Microsoft.Web/sites/config": "2025-03-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2025-03-01",
    "Microsoft.DurableTask/schedulers": "2026-02-01",
    "Microsoft.DurableTask/schedulers/taskHubs": "2026-02-01",
    "Microsoft.DurableTask/schedulers/retentionPolicies": "2026-02-01",
    "Microsoft.CognitiveServices/accounts": "2025-06-01",
    "Microsoft.CognitiveServices/accounts/projects": "2025-06-01",
    "Microsoft.Network/virtualNetworks": "2025-05-01",
    "Microsoft.Network/networkSecurityGroups": "2025-05-01",
    "Microsoft.Network/privateEndpoints": "2025-05-01",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "2025-05-01",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "2024-06-01",
}

EXISTING_ONLY = {"Microsoft.CognitiveServices/accounts", "Microsoft.CognitiveServices/accounts/projects"}
"""Types that the templates read and never create."""

FUNCTIONS = {
    "cidrSubnet",
    "concat",
    "contains",
    "empty",
    "environment",
    "fail",
    "guid",
    "join",
    "length",
    "loadTextContent",
    "max",
    "min",
    "range",
    "replace",
    "resourceGroup",
    "resourceId",
    "split",
    "string",
    "subscription",
    "subscriptionResourceId",
    "substring",
    "take",
    "tenant",
    "toLower",
    "union",
    "uniqueString",
} | {"allowed", "description", "maxLength", "maxValue", "metadata", "minLength", "minValue", "secure"}
"""Functions and decorators of Bicep that the templates use; checkov's parser knows them all."""

ROLES = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "durableTaskDataContributor": "0ad04412-c4d5-4796-b79c-f76d14c8d402",
    "foundryUser": "53ca6127-db72-4b80-b1b0-d745d6d5456d",
}
"""Every role that the app may have, under the name that the templates give its id."""

FLEX_FORBIDDEN_SETTINGS = (
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_MAX_HTTP_CONCURRENCY",
    "ENABLE_ORYX_BUILD",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_CONTENT",
    "WEBSITE_VNET_ROUTE_ALL",
    "WEBSITE_TIME_ZONE",
)
"""Beginnings of names of app settings that Flex Consumption refuses or ignores."""

FLEX_FORBIDDEN_SITE_CONFIG = ("ftpsState", "linuxFxVersion", "netFrameworkVersion", "use32BitWorkerProcess", "alwaysOn")

LOCAL_ONLY_SETTINGS = {
    "FOUNDRY_ACCESS_TOKEN": "a bearer token of a developer; in Azure the app uses its identity",
}
"""Settings of the app that must not be deployed, with the reason."""

LOG_EVENTS = {
    "agent_run.ended": (
        "instance_id agent_id thread_id run_id status code run_status seconds polls "
        "prompt_tokens completion_tokens total_tokens"
    ),
    "agent_run.foundry_error": "activity code message retryable",
    "agent_run.orphans": "scanned rewound cancelled failed left error",
    "agent_run.rewound": "instance_id",
    "agent_run.not_rewound": "instance_id error",
    "agent_run.purged": "deleted failed threads waiting left kept error",
    "agent_run.purge_failed": "before error",
    "agent_run.orphan_not_cancelled": "instance_id thread_id error",
    "agent_run.thread_not_deleted": "instance_id kept error",
    "agent_run.documents_purged": "keys threads failed left error",
    "agent_run.store_error": "activity code message retryable",
    "agent_run.not_asked_to_cancel": "instance_id error",
    "agent_run.thread_not_left": "instance_id thread_id message",
    "agent_run.key_not_marked": "instance_id message",
    "agent_run.other_response": "instance_id thread_id run_id others",
}
"""What the app logs for queries: name of the event, and the fields of its JSON object, which any event may have
`trace_id` beside.
"""

CODES_OF_CALLERS = {
    "thread_busy",
    "not_found",
    "invalid_request",
    "invalid_prompt",
    "content_filter",
    "max_completion_tokens",
    "max_prompt_tokens",
    "response_too_large",
    "too_many_tool_calls",
}
"""Codes of failed runs that wake nobody: the caller, or the author of the agent, mends them (docs/errors.md)."""

SDK_MODELS = {
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("azure.mgmt.msi.v2024_11_30.models", "Identity"),
    "Microsoft.OperationalInsights/workspaces": ("azure.mgmt.loganalytics.models", "Workspace"),
    "Microsoft.Insights/components": (
        "azure.mgmt.applicationinsights.v2020_02_02.models",
        "ApplicationInsightsComponent",
    ),
    "Microsoft.Insights/workbooks": ("azure.mgmt.applicationinsights.v2023_06_01.models", "Workbook"),
    "Microsoft.Insights/webtests": ("azure.mgmt.applicationinsights.v2022_06_15.models", "WebTest"),
    "Microsoft.Insights/scheduledQueryRules": ("azure.mgmt.monitor.models", "ScheduledQueryRuleResource"),
    "Microsoft.Insights/actionGroups": ("azure.mgmt.monitor.models", "ActionGroupResource"),
    "Microsoft.Authorization/roleAssignments": (
        "azure.mgmt.authorization.v2022_04_01.models",
        "RoleAssignmentCreateParameters",
    ),
    "Microsoft.Storage/storageAccounts": ("azure.mgmt.storage.models", "StorageAccountCreateParameters"),
    "Microsoft.Storage/storageAccounts/blobServices": ("azure.mgmt.storage.models", "BlobServiceProperties"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("azure.mgmt.storage.models", "BlobContainer"),
    "Microsoft.Storage/storageAccounts/queueServices": ("azure.mgmt.storage.models", "QueueServiceProperties"),
    "Microsoft.Storage/storageAccounts/tableServices": ("azure.mgmt.storage.models", "TableServiceProperties"),
    "Microsoft.Web/serverfarms": ("azure.mgmt.web.models", "AppServicePlan"),
    "Microsoft.Web/sites": ("azure.mgmt.web.models", "Site"),
    "Microsoft.Web/sites/config": ("azure.mgmt.web.models", "SiteAuthSettingsV2"),  # appsettings: a free dictionary
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": (
        "azure.mgmt.web.models",
        "CsmPublishingCredentialsPoliciesEntity",
    ),
    "Microsoft.DurableTask/schedulers": ("azure.mgmt.durabletask.models", "Scheduler"),
    "Microsoft.DurableTask/schedulers/taskHubs": ("azure.mgmt.durabletask.models", "TaskHub"),
    "Microsoft.DurableTask/schedulers/retentionPolicies": ("azure.mgmt.durabletask.models", "RetentionPolicy"),
    "Microsoft.Network/virtualNetworks": ("azure.mgmt.network.models", "VirtualNetwork"),
    "Microsoft.Network/networkSecurityGroups": ("azure.mgmt.network.models", "NetworkSecurityGroup"),
    "Microsoft.Network/privateEndpoints": ("azure.mgmt.network.models", "PrivateEndpoint"),
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": ("azure.mgmt.network.models", "PrivateDnsZoneGroup"),
    "Microsoft.Network/privateDnsZones": ("azure.mgmt.privatedns.models", "PrivateZone"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": ("azure.mgmt.privatedns.models", "VirtualNetworkLink"),
}
"""Where the management SDKs describe a type."""

UNMODELLED = {
    "Microsoft.Resources/resourceGroups": "has no properties that a template sets",
    "Microsoft.Insights/diagnosticSettings": "left out of azure-mgmt-monitor 7; its properties are listed below",
}

DIAGNOSTIC_SETTINGS_PROPERTIES = {"workspaceId", "logs", "metrics", "logAnalyticsDestinationType"}
