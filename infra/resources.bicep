metadata description = 'Everything the app needs, in one resource group. main.bicep deploys it; it can also be deployed alone into a resource group that exists.'

@description('Short name of this deployment: it goes into the names of the resources, cut to 24 characters, with a hyphen for what they do not take.')
@minLength(1)
@maxLength(64)
param environmentName string = 'agents'

@description('Azure region of every resource. Flex Consumption must be offered there.')
param location string = resourceGroup().location

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

@description('DELETE_THREAD: when threads that the app has created are deleted, where a caller does not say.')
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

var token = uniqueString(resourceGroup().id, environmentName)
var allTags = union(tags, { 'azd-env-name': environmentName })
var packageContainerName = 'app-package'
var usesScheduler = durableProvider == 'durableTaskScheduler'
var usesEntra = authMode == 'entra'
var foundrySubscription = empty(foundrySubscriptionId) ? subscription().subscriptionId : foundrySubscriptionId
var projectEndpoint = empty(foundryProjectEndpoint) ? foundryProject.properties.endpoints['AI Foundry API'] : foundryProjectEndpoint

// What would fail halfway through a deployment is refused before it begins.
var letters = 'abcdefghijklmnopqrstuvwxyz'
var fitsHubName = [for i in range(0, length(taskHubName)): contains('${letters}0123456789', toLower(substring(taskHubName, i, 1)))]
var isTaskHubName = contains(letters, toLower(take(taskHubName, 1))) && !contains(fitsHubName, false)
var allowedClientIds = empty(entraAllowedClientIds) ? [entraClientId] : split(replace(entraAllowedClientIds, ' ', ''), ',')
var areClientIds = [for id in allowedClientIds: length(id) == 36]
var schedulerKeepsDays = schedulerSku == 'Dedicated' ? 90 : 30
var problems = join([
  isTaskHubName ? '' : 'taskHubName takes letters and digits only, a letter first. '
  usesEntra && contains(areClientIds, false) ? 'entraClientId or entraAllowedClientIds has something that is no client id, or an empty one. ' : ''
  max(alwaysReadyInstances, alwaysReadyHttpInstances) > maximumInstanceCount ? 'More instances are always ready than maximumInstanceCount lets run. ' : ''
  usesScheduler && (historyRetentionDays == 0 || historyRetentionDays > schedulerKeepsDays) ? 'The Durable Task Scheduler keeps history for 1 to ${schedulerKeepsDays} days: historyRetentionDays. ' : ''
  schedulerPublicNetworkAccess == 'Disabled' && !privateNetworking ? 'schedulerPublicNetworkAccess Disabled takes privateNetworking. ' : ''
  zoneRedundant && !contains(['Standard_ZRS', 'Standard_GZRS'], storageSku) ? 'zoneRedundant takes storageSku Standard_ZRS or Standard_GZRS. ' : ''
  runTimeoutSeconds > runMaxTimeoutSeconds ? 'runTimeoutSeconds is above runMaxTimeoutSeconds. ' : ''
], '')
var namable = replace(replace(replace(replace(environmentName, '_', '-'), '.', '-'), '(', '-'), ')', '-')
var shortName = empty(problems) ? take(namable, 24) : fail(problems)
var storageServices = usesScheduler ? ['blob'] : ['blob', 'queue', 'table']
var storageZones = [for service in storageServices: 'privatelink.${service}.${environment().suffixes.storage}']

resource foundryAccount 'Microsoft.CognitiveServices/accounts@2025-06-01' existing = {
  name: foundryAccountName
  scope: resourceGroup(foundrySubscription, foundryResourceGroupName)
}

// Read in place: only the role assignment is deployed there, and may be done by hand.
resource foundryProject 'Microsoft.CognitiveServices/accounts/projects@2025-06-01' existing = {
  parent: foundryAccount
  name: foundryProjectName
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  params: {
    location: location
    tags: allTags
    name: 'id-${shortName}-${token}'
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    location: location
    tags: allTags
    workspaceName: 'log-${shortName}-${token}'
    applicationInsightsName: 'appi-${shortName}-${token}'
    logRetentionDays: logRetentionDays
    logDailyCapGb: logDailyCapGb
    principalId: identity.outputs.principalId
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    location: location
    tags: allTags
    name: 'st${token}'
    sku: storageSku
    packageContainerName: packageContainerName
    privateNetworking: privateNetworking
    holdsTaskHub: !usesScheduler
    accessLogs: storageAccessLogs
    principalId: identity.outputs.principalId
    workspaceId: monitoring.outputs.workspaceId
  }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  name: 'network'
  params: {
    location: location
    tags: allTags
    name: 'vnet-${shortName}-${token}'
    addressPrefix: virtualNetworkAddressPrefix
    appSubnetPrefix: cidrSubnet(virtualNetworkAddressPrefix, 26, 0)
    endpointSubnetPrefix: cidrSubnet(virtualNetworkAddressPrefix, 27, 2)
  }
}

module privateEndpoints 'modules/private-endpoints.bicep' = if (privateNetworking) {
  name: 'private-endpoints'
  params: {
    location: location
    tags: allTags
    targetId: storage.outputs.id
    targetName: storage.outputs.name
    services: storageServices
    zoneNames: storageZones
    virtualNetworkId: network!.outputs.virtualNetworkId
    subnetId: network!.outputs.endpointSubnetId
  }
}

module schedulerEndpoint 'modules/private-endpoints.bicep' = if (privateNetworking && usesScheduler) {
  name: 'scheduler-endpoint'
  params: {
    location: location
    tags: allTags
    targetId: durableTask!.outputs.id
    targetName: durableTask!.outputs.name
    services: ['scheduler']
    zoneNames: ['privatelink.durabletask.io']
    virtualNetworkId: network!.outputs.virtualNetworkId
    subnetId: network!.outputs.endpointSubnetId
  }
}

module durableTask 'modules/durable-task.bicep' = if (usesScheduler) {
  name: 'durable-task'
  params: {
    location: location
    tags: allTags
    name: 'dts-${shortName}-${token}'
    taskHubName: taskHubName
    sku: schedulerSku
    capacity: schedulerCapacity
    publicNetworkAccess: schedulerPublicNetworkAccess
    longestRetentionDays: schedulerKeepsDays
    allowedIpRanges: schedulerAllowedIpRanges
    historyRetentionDays: historyRetentionDays
    principalId: identity.outputs.principalId
  }
}

module foundryAccess 'modules/foundry-access.bicep' = if (assignFoundryRole) {
  name: 'foundry-access-${token}'
  scope: resourceGroup(foundrySubscription, foundryResourceGroupName)
  params: {
    accountName: foundryAccountName
    projectName: foundryProjectName
    roleScope: foundryRoleScope
    principalId: identity.outputs.principalId
  }
}

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  params: {
    location: location
    tags: allTags
    name: 'func-${shortName}-${token}'
    planName: 'plan-${shortName}-${token}'
    azdServiceName: 'api'
    identityId: identity.outputs.id
    packageContainerUrl: storage.outputs.packageContainerUrl
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    alwaysReadyHttpInstances: alwaysReadyHttpInstances
    zoneRedundant: zoneRedundant
    httpConcurrency: httpConcurrency
    subnetId: privateNetworking ? network!.outputs.appSubnetId : ''
    resourceLogs: resourceLogs
    workspaceId: monitoring.outputs.workspaceId
  }
  dependsOn: [
    privateEndpoints
    schedulerEndpoint
  ]
}

// The order of the next three keeps the app closed while authMode changes: Entra is on before the settings open the
// routes to it, and goes off only after the settings have closed them with keys.
module requireEntra 'modules/app-auth.bicep' = if (usesEntra) {
  name: 'require-entra'
  params: {
    functionAppName: functionApp.outputs.name
    clientId: entraClientId
    allowedClientIds: allowedClientIds
    tenantId: entraTenantId
  }
}

module appSettings 'modules/app-settings.bicep' = {
  name: 'app-settings'
  params: {
    functionAppName: functionApp.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    identityClientId: identity.outputs.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    durableProvider: durableProvider
    schedulerEndpoint: usesScheduler ? durableTask!.outputs.endpoint : ''
    taskHubName: taskHubName
    workerThreads: workerThreads
    foundryProjectEndpoint: projectEndpoint
    foundryApiVersion: foundryApiVersion
    foundryGenerations: foundryGenerations
    foundryTokenScope: foundryTokenScope
    foundryDefaultAgentId: foundryDefaultAgentId
    foundryAllowedAgentIds: foundryAllowedAgentIds
    foundryResourceId: resourceId(foundrySubscription, foundryResourceGroupName, 'Microsoft.CognitiveServices/accounts', foundryAccountName)
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
    httpAuthLevel: usesEntra ? 'ANONYMOUS' : 'FUNCTION'
  }
  dependsOn: [
    requireEntra
  ]
}

module disableEntra 'modules/app-auth-off.bicep' = if (!usesEntra) {
  name: 'disable-entra'
  params: {
    functionAppName: functionApp.outputs.name
  }
  dependsOn: [
    appSettings
  ]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    tags: allTags
    namePrefix: 'alert-${shortName}'
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    workspaceId: monitoring.outputs.workspaceId
    email: alertEmail
    actionGroupIds: alertActionGroupIds
    toleratedFailedRuns: toleratedFailedRuns
  }
}

module availability 'modules/availability.bicep' = if (availabilityTest) {
  name: 'availability'
  params: {
    location: location
    tags: allTags
    name: 'availability-${shortName}-${token}'
    url: 'https://${functionApp.outputs.hostName}/api/health'
    // With Entra the platform asks for a token in front of the app: that it says so is all that can be seen.
    expectedStatus: usesEntra ? 401 : 200
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    actionGroupIds: alerts.outputs.actionGroupIds
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  params: {
    location: location
    tags: allTags
    displayName: 'Agent runs (${environmentName})'
    applicationInsightsId: monitoring.outputs.applicationInsightsId
  }
}

@description('Name of the function app.')
output functionAppName string = functionApp.outputs.name

@description('URL of the function app; the routes are under /api.')
output functionAppUrl string = 'https://${functionApp.outputs.hostName}'

@description('Client id of the identity of the app.')
output identityClientId string = identity.outputs.clientId

@description('Object id of the identity of the app: what a role is assigned to by hand.')
output identityPrincipalId string = identity.outputs.principalId

@description('Endpoint of the Foundry project that the app calls.')
output foundryProjectEndpoint string = projectEndpoint
