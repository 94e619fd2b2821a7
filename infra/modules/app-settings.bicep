metadata description = 'App settings. Only names, ids and endpoints: there is no key or token among them.'

@description('Name of the function app.')
param functionAppName string

@description('Name of the Application Insights component.')
param applicationInsightsName string

@description('Client id of the identity of the app.')
param identityClientId string

@description('Blob endpoint of the storage account.')
param blobEndpoint string

@description('Queue endpoint of the storage account.')
param queueEndpoint string

@description('Table endpoint of the storage account.')
param tableEndpoint string

@description('Where the state of the runs lives.')
@allowed([
  'azureStorage'
  'durableTaskScheduler'
])
param durableProvider string

@description('Endpoint of the Durable Task Scheduler; unused with azureStorage.')
param schedulerEndpoint string

@description('Name of the task hub.')
param taskHubName string

@description('Threads for functions of one instance: at least the concurrent activities and orchestrators of host.json together.')
param workerThreads int

@description('Endpoint of the Foundry project.')
param foundryProjectEndpoint string

@description('Value of api-version in calls of Foundry.')
param foundryApiVersion string

@description('Generations of agents that the app speaks to: classic, responses, or both, separated by a comma.')
param foundryGenerations string

@description('Scope of the tokens for Foundry. Empty: that of the cloud in the endpoint.')
param foundryTokenScope string

@description('Agent that runs where a caller names none.')
param foundryDefaultAgentId string

@description('Agents that callers may run, separated by commas. Empty: any.')
param foundryAllowedAgentIds string

@description('Resource id of the Foundry account, for the link to the portal in answers.')
param foundryResourceId string

@description('Seconds that a run may take where a caller names no time.')
param runTimeoutSeconds int

@description('Most seconds that a caller may ask for.')
param runMaxTimeoutSeconds int

@description('New runs after a run that Foundry ended for lack of quota.')
param runRateLimitRetries int

@description('Looks at runs of one instance, at most.')
param foundryMaxLooksPerSecond int

@description('NCRONTAB of the search for runs whose instance was terminated.')
param orphanScanSchedule string

@description('When threads that the app has created are deleted.')
@allowed([
  'never'
  'on_success'
  'with_history'
])
param deleteThread string

@description('Whether the app has its console.')
@allowed([
  'true'
  'false'
])
param consoleEnabled string

@description('Days that ended instances are kept. 0: for ever.')
param historyRetentionDays int

@description('Days that the key of a start is remembered.')
param idempotencyDays int

@description('What callers put before /api where a gateway stands in front of the app. Empty: the name of the app itself.')
param publicBaseUrl string

@description('Host names that a gateway may say it was called by, separated by commas. Empty: its headers are ignored.')
param trustedForwardedHosts string

@description('More app settings, by name. Those of the app itself win.')
param extraAppSettings object

@description('ANONYMOUS only where Entra authentication stands in front of the app.')
@allowed([
  'FUNCTION'
  'ANONYMOUS'
])
param httpAuthLevel string

var storageConnection = {
  AzureWebJobsStorage__blobServiceUri: blobEndpoint
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
}
var azureStorageConnection = {
  AzureWebJobsStorage__queueServiceUri: queueEndpoint
  AzureWebJobsStorage__tableServiceUri: tableEndpoint
}
var schedulerConnection = {
  DURABLE_TASK_SCHEDULER_CONNECTION_STRING: 'Endpoint=${schedulerEndpoint};Authentication=ManagedIdentity;ClientID=${identityClientId}'
}
var platformSettings = {
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  TASKHUB_NAME: taskHubName
  PYTHON_THREADPOOL_THREAD_COUNT: string(workerThreads)
}
var ownSettings = {
  FOUNDRY_PROJECT_ENDPOINT: foundryProjectEndpoint
  FOUNDRY_API_VERSION: foundryApiVersion
  FOUNDRY_GENERATIONS: foundryGenerations
  FOUNDRY_TOKEN_SCOPE: foundryTokenScope
  FOUNDRY_DEFAULT_AGENT_ID: foundryDefaultAgentId
  FOUNDRY_ALLOWED_AGENT_IDS: foundryAllowedAgentIds
  FOUNDRY_RESOURCE_ID: foundryResourceId
  AZURE_CLIENT_ID: identityClientId
  RUN_TIMEOUT_SECONDS: string(runTimeoutSeconds)
  RUN_MAX_TIMEOUT_SECONDS: string(runMaxTimeoutSeconds)
  RUN_RATE_LIMIT_RETRIES: string(runRateLimitRetries)
  FOUNDRY_MAX_LOOKS_PER_SECOND: string(foundryMaxLooksPerSecond)
  ORPHAN_SCAN_SCHEDULE: orphanScanSchedule
  DELETE_THREAD: deleteThread
  HISTORY_RETENTION_DAYS: string(historyRetentionDays)
  IDEMPOTENCY_DAYS: string(idempotencyDays)
  PUBLIC_BASE_URL: publicBaseUrl
  TRUSTED_FORWARDED_HOSTS: trustedForwardedHosts
  CONSOLE_ENABLED: consoleEnabled
  HTTP_AUTH_LEVEL: httpAuthLevel
}
var providerConnection = durableProvider == 'azureStorage' ? azureStorageConnection : schedulerConnection

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource appSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  // checkov:skip=CKV_AZURE_222:false positive, publicNetworkAccess is a property of the site, not of its configuration
  parent: site
  name: 'appsettings'
  properties: union(extraAppSettings, storageConnection, providerConnection, platformSettings, ownSettings)
}
