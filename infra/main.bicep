targetScope = 'subscription'

metadata description = 'Durable runs of Azure AI Foundry agents: creates the resource group and deploys resources.bicep into it. Only what names the Foundry project is required.'

@description('Name of the resource group to create. Empty: rg-, then the name of this deployment.')
param resourceGroupName string = ''

@description('Short name of this deployment: it goes into the names of the resources, cut to 24 characters, with a hyphen for what they do not take.')
@minLength(1)
@maxLength(64)
param environmentName string = 'agents'

@description('Azure region of every resource: one where Flex Consumption is offered. A newer one than this list: deploy resources.bicep.')
@allowed([
  'australiaeast'
  'australiasoutheast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'southindia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
])
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Tags of every resource.')
param tags object = {}

@description('Name of the Foundry account (the AI Services resource) that already exists.')
@minLength(2)
param foundryAccountName string

@description('Name of the Foundry project whose agents are run.')
@minLength(2)
param foundryProjectName string

@description('Resource group of the Foundry account.')
@minLength(1)
param foundryResourceGroupName string

@description('Subscription of the Foundry account. Empty: the one deployed to.')
param foundrySubscriptionId string = ''

@description('Endpoint of the project, https://<account>.services.ai.azure.com/api/projects/<project>. Empty: it is read from the project.')
param foundryProjectEndpoint string = ''

@description('True: give the app the role Foundry User. False, for operators who may not assign roles there: docs/operations.md says how to do it by hand.')
param assignFoundryRole bool = true

@description('Where the role is assigned: on the project, or on the account with all its projects.')
@allowed([
  'project'
  'account'
])
param foundryRoleScope string = 'project'

@description('How callers prove who they are: with a function key, or with an Entra token of an allowed client.')
@allowed([
  'functionKey'
  'entra'
])
param authMode string = 'functionKey'

@description('authMode entra: client id of the app registration that stands for this API. The deployment fails without it.')
param entraClientId string = ''

@description('authMode entra: client ids that may call, separated by commas, such as that of the service principal of Polysync. Empty: only the app registration itself.')
param entraAllowedClientIds string = ''

@description('authMode entra: tenant that issues the tokens.')
param entraTenantId string = tenant().tenantId

@description('Where the state of the runs lives. The packaged host.json must name the same: infra/package.py picks it.')
@allowed([
  'azureStorage'
  'durableTaskScheduler'
])
param durableProvider string = 'azureStorage'

@description('Name of the task hub: letters and digits, a letter first. Another name starts with no runs at all.')
@minLength(3)
@maxLength(45)
param taskHubName string = 'FoundryAgents'

@description('durableTaskScheduler: Consumption is billed per action, Dedicated per capacity unit.')
@allowed([
  'Consumption'
  'Dedicated'
])
param schedulerSku string = 'Consumption'

@description('durableTaskScheduler, Dedicated: capacity units. 1 has no high availability, 3 has.')
@minValue(1)
@maxValue(3)
param schedulerCapacity int = 1

@description('durableTaskScheduler: Disabled lets nobody in but the private endpoint, so it takes privateNetworking. The dashboard is reached from inside of the network only, then.')
@allowed([
  'Enabled'
  'Disabled'
])
param schedulerPublicNetworkAccess string = 'Enabled'

@description('durableTaskScheduler: address ranges that may open a connection; an Entra token with the role is needed besides. An empty list blocks everyone.')
@minLength(1)
param schedulerAllowedIpRanges array = [
  '0.0.0.0/0'
]

@description('True: a virtual network, and storage reached through private endpoints only. Microsoft.App must be registered in the subscription.')
param privateNetworking bool = false

@description('privateNetworking: address space of the virtual network, /25 or larger. Its first /26 is for the app, the /27 after that for the private endpoints.')
param virtualNetworkAddressPrefix string = '10.20.0.0/24'

@description('Version of Python.')
@allowed([
  '3.11'
  '3.12'
  '3.13'
])
param pythonVersion string = '3.13'

@description('Memory of an instance in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Most instances on demand of each group that scales by itself: http, durable, each timer. Always ready ones count too.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always run for orchestrations and activities. 0: the app scales to zero, and the first run waits for a cold start.')
@minValue(0)
@maxValue(100)
param alwaysReadyInstances int = 1

@description('Instances that always run for HTTP requests. 0: the first request after a quiet time waits for a cold start.')
@minValue(0)
@maxValue(100)
param alwaysReadyHttpInstances int = 0

@description('True: instances are spread over zones, for which the platform keeps two of each group always ready, and bills them. Takes a storageSku that is zone redundant too.')
param zoneRedundant bool = false

@description('HTTP requests that one instance takes at once.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 50

@description('Threads for functions of one instance: at least maxConcurrentActivityFunctions and maxConcurrentOrchestratorFunctions of host.json together.')
@minValue(1)
@maxValue(1000)
param workerThreads int = 72

@description('Replication of the storage account. With Standard_ZRS runs survive the loss of a zone.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param storageSku string = 'Standard_LRS'

@description('True: log every read, write and deletion of blobs, queues and tables. One poll of a run makes about 12 of them.')
param storageAccessLogs bool = false

@description('True: the logs of the function app go to the workspace too. They repeat much of what Application Insights has, and tell why an app does not start.')
param resourceLogs bool = true

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes of logs a day after which the workspace takes no more until the next day, and alerts are blind. -1: no limit.')
@minValue(-1)
param logDailyCapGb int = -1

@description('Mail address to notify of alerts. Empty: they are raised in the portal, nobody is notified.')
param alertEmail string = ''

@description('Resource ids of action groups that exist, separated by commas: they are told of alerts too.')
param alertActionGroupIds string = ''

@description('True: call /api/health from three continents every five minutes. Each call is billed.')
param availabilityTest bool = false

@description('Failed runs within fifteen minutes that are not worth an alert.')
@minValue(0)
param toleratedFailedRuns int = 0

@description('FOUNDRY_API_VERSION: value of api-version in calls of Foundry.')
param foundryApiVersion string = 'v1'

@description('FOUNDRY_GENERATIONS: generations of agents that the app speaks to: classic, responses, or both, separated by a comma.')
param foundryGenerations string = 'classic,responses'

@description('FOUNDRY_TOKEN_SCOPE: scope of the tokens for Foundry. Empty: that of the cloud in the endpoint.')
param foundryTokenScope string = ''

@description('FOUNDRY_DEFAULT_AGENT_ID: agent that runs where a caller names none.')
param foundryDefaultAgentId string = ''

@description('FOUNDRY_ALLOWED_AGENT_IDS: agents that callers may run, separated by commas. Empty: any of the project.')
param foundryAllowedAgentIds string = ''

@description('RUN_TIMEOUT_SECONDS: seconds that a run may take where a caller names no time.')
@minValue(1)
@maxValue(432000)
param runTimeoutSeconds int = 1800

@description('RUN_MAX_TIMEOUT_SECONDS: most seconds that a caller may ask for.')
@minValue(1)
@maxValue(432000)
param runMaxTimeoutSeconds int = 86400

@description('RUN_RATE_LIMIT_RETRIES: new runs after a run that Foundry ended for lack of quota.')
@minValue(0)
@maxValue(100)
param runRateLimitRetries int = 50

@description('FOUNDRY_MAX_LOOKS_PER_SECOND: looks at runs of one instance, at most. 0: durable timers alone pace them.')
@minValue(0)
@maxValue(1000)
param foundryMaxLooksPerSecond int = 20

@description('ORPHAN_SCAN_SCHEDULE: NCRONTAB of the search for runs whose instance was terminated.')
param orphanScanSchedule string = '0 */5 * * * *'

@description('DELETE_THREAD: when threads that the app has created are deleted, where a caller does not say: never, after success, or with the history of their last run.')
@allowed([
  'never'
  'on_success'
  'with_history'
])
param deleteThread string = 'never'

@description('PUBLIC_BASE_URL: what callers put before /api where a gateway stands in front of the app, such as https://agents.contoso.com/foundry. Empty: the name of the app itself.')
param publicBaseUrl string = ''

@description('TRUSTED_FORWARDED_HOSTS: host names that a gateway may say it was called by, separated by commas. Empty: its headers are ignored.')
param trustedForwardedHosts string = ''

@description('CONSOLE_ENABLED: whether the app has its console at /api/console, a page that holds no data and asks for a key.')
@allowed([
  'true'
  'false'
])
param consoleEnabled string = 'true'

@description('More app settings, by name: MCP_HEADERS_<NAME> with a Key Vault reference, say. Only references, never the secrets themselves.')
param extraAppSettings object = {}

@description('IDEMPOTENCY_DAYS: days that the key of a start is remembered, though its history be purged earlier.')
@minValue(1)
@maxValue(3650)
param idempotencyDays int = 30

@description('HISTORY_RETENTION_DAYS: days that ended instances, with the messages and answers in them, are kept. 0: for ever, with azureStorage only. The scheduler keeps them for 30 days at most, 90 with Dedicated.')
@minValue(0)
@maxValue(3650)
param historyRetentionDays int = 30

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: empty(resourceGroupName) ? 'rg-${environmentName}' : resourceGroupName
  location: location
  tags: union(tags, { 'azd-env-name': environmentName })
}

module resources 'resources.bicep' = {
  name: 'resources'
  scope: group
  params: {
    environmentName: environmentName
    location: location
    tags: tags
    foundryAccountName: foundryAccountName
    foundryProjectName: foundryProjectName
    foundryResourceGroupName: foundryResourceGroupName
    foundrySubscriptionId: foundrySubscriptionId
    foundryProjectEndpoint: foundryProjectEndpoint
    assignFoundryRole: assignFoundryRole
    foundryRoleScope: foundryRoleScope
    authMode: authMode
    entraClientId: entraClientId
    entraAllowedClientIds: entraAllowedClientIds
    entraTenantId: entraTenantId
    durableProvider: durableProvider
    taskHubName: taskHubName
    schedulerSku: schedulerSku
    schedulerCapacity: schedulerCapacity
    schedulerPublicNetworkAccess: schedulerPublicNetworkAccess
    schedulerAllowedIpRanges: schedulerAllowedIpRanges
    privateNetworking: privateNetworking
    virtualNetworkAddressPrefix: virtualNetworkAddressPrefix
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    alwaysReadyHttpInstances: alwaysReadyHttpInstances
    zoneRedundant: zoneRedundant
    httpConcurrency: httpConcurrency
    workerThreads: workerThreads
    storageSku: storageSku
    storageAccessLogs: storageAccessLogs
    resourceLogs: resourceLogs
    logRetentionDays: logRetentionDays
    logDailyCapGb: logDailyCapGb
    alertEmail: alertEmail
    alertActionGroupIds: alertActionGroupIds
    availabilityTest: availabilityTest
    toleratedFailedRuns: toleratedFailedRuns
    foundryApiVersion: foundryApiVersion
    foundryGenerations: foundryGenerations
    foundryTokenScope: foundryTokenScope
    foundryDefaultAgentId: foundryDefaultAgentId
    foundryAllowedAgentIds: foundryAllowedAgentIds
    runTimeoutSeconds: runTimeoutSeconds
    runMaxTimeoutSeconds: runMaxTimeoutSeconds
    runRateLimitRetries: runRateLimitRetries
    foundryMaxLooksPerSecond: foundryMaxLooksPerSecond
    orphanScanSchedule: orphanScanSchedule
    deleteThread: deleteThread
    historyRetentionDays: historyRetentionDays
    idempotencyDays: idempotencyDays
    publicBaseUrl: publicBaseUrl
    trustedForwardedHosts: trustedForwardedHosts
    consoleEnabled: consoleEnabled
    extraAppSettings: extraAppSettings
  }
}

@description('Resource group of everything that was deployed.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the function app.')
output FUNCTION_APP_NAME string = resources.outputs.functionAppName

@description('URL of the function app; the routes are under /api.')
output FUNCTION_APP_URL string = resources.outputs.functionAppUrl

@description('Client id of the identity of the app.')
output IDENTITY_CLIENT_ID string = resources.outputs.identityClientId

@description('Object id of the identity of the app: what a role is assigned to by hand.')
output IDENTITY_PRINCIPAL_ID string = resources.outputs.identityPrincipalId

@description('Endpoint of the Foundry project that the app calls.')
output FOUNDRY_PROJECT_ENDPOINT string = resources.outputs.foundryProjectEndpoint

@description('Provider that the packaged host.json has to name.')
output DURABLE_PROVIDER string = durableProvider
