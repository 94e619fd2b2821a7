metadata description = 'Flex Consumption plan and function app. Its settings are in app-settings.bicep, who may call it in app-auth.bicep.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the function app.')
param name string

@description('Name of the plan.')
param planName string

@description('Name of the service in azure.yaml: azd deploys the code to the app that has this tag.')
param azdServiceName string

@description('Resource id of the identity of the app.')
param identityId string

@description('URL of the blob container that takes the deployment package.')
param packageContainerUrl string

@description('Version of Python.')
@allowed([
  '3.11'
  '3.12'
  '3.13'
])
param pythonVersion string

@description('Memory of an instance in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int

@description('Most instances on demand of each group that scales by itself.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int

@description('Instances that always run for orchestrations and activities. 0: the app scales to zero, and the first run waits for a cold start.')
@minValue(0)
@maxValue(100)
param alwaysReadyInstances int

@description('Instances that always run for HTTP requests.')
@minValue(0)
@maxValue(100)
param alwaysReadyHttpInstances int

@description('True: instances are spread over zones.')
param zoneRedundant bool

@description('HTTP requests that one instance takes at once.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int

@description('Resource id of the subnet for outbound calls. Empty: none.')
param subnetId string

@description('True: the logs of the app go to the workspace, besides its metrics.')
param resourceLogs bool

@description('Resource id of the workspace that takes metrics and logs.')
param workspaceId string

var readyForRuns = alwaysReadyInstances == 0 ? [] : [{ name: 'durable', instanceCount: alwaysReadyInstances }]
var readyForRequests = alwaysReadyHttpInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyHttpInstances }]

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  // checkov:skip=CKV_AZURE_225:the parameter zoneRedundant says so; the state of the runs is in storage, so the loss of a zone costs minutes
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  // checkov:skip=CKV_AZURE_17:callers prove themselves with a function key or an Entra token; job schedulers have no client certificate
  // checkov:skip=CKV_AZURE_78:Flex Consumption has no FTP and refuses ftpsState; the credentials for it are off besides
  // checkov:skip=CKV_AZURE_212:the parameter alwaysReadyInstances says how many instances always run
  // checkov:skip=CKV_AZURE_213:Flex Consumption has no health check of its own; callers may use /api/health/ready
  // checkov:skip=CKV_AZURE_222:callers such as Polysync come from outside; key or token is asked for on every route but health
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': azdServiceName })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: concat(readyForRuns, readyForRequests)
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
  }
}

resource ftpCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: site
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: resourceLogs
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

@description('Name of the function app.')
output name string = site.name

@description('Host name of the function app.')
output hostName string = site.properties.defaultHostName
