metadata description = 'Durable Task Scheduler with one task hub, for the provider durableTaskScheduler.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the scheduler.')
param name string

@description('Name of the task hub.')
param taskHubName string

@description('Consumption is billed per action, Dedicated per capacity unit.')
@allowed([
  'Consumption'
  'Dedicated'
])
param sku string

@description('Address ranges that may open a connection; an Entra token with the role is needed besides. An empty list blocks everyone.')
@minLength(1)
param allowedIpRanges array

@description('Days after which the app purges ended instances; the scheduler does two weeks later. 0 keeps them.')
@minValue(0)
param historyRetentionDays int

@description('Object id of the identity of the app.')
param principalId string

var durableTaskDataContributor = '0ad04412-c4d5-4796-b79c-f76d14c8d402'

resource scheduler 'Microsoft.DurableTask/schedulers@2026-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    ipAllowlist: allowedIpRanges
    publicNetworkAccess: 'Enabled'
    sku: sku == 'Dedicated' ? { name: sku, capacity: 1 } : { name: sku }
  }
}

resource taskHub 'Microsoft.DurableTask/schedulers/taskHubs@2026-02-01' = {
  parent: scheduler
  name: taskHubName
}

resource retention 'Microsoft.DurableTask/schedulers/retentionPolicies@2026-02-01' = {
  parent: scheduler
  name: 'default'
  properties: {
    // The app itself comes first: it deletes the threads that go with the history, and may have to try that again.
    retentionPolicies: historyRetentionDays == 0 ? [] : [{ retentionPeriodInDays: historyRetentionDays + 14 }]
  }
}

resource taskHubWorker 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(taskHub.id, principalId, durableTaskDataContributor)
  scope: taskHub
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', durableTaskDataContributor)
  }
}

@description('Endpoint of the scheduler.')
output endpoint string = scheduler.properties.endpoint
