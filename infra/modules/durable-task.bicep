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

@description('Dedicated: capacity units. 1 has no high availability, 3 has.')
@minValue(1)
@maxValue(3)
param capacity int

@description('Disabled: only the private endpoint leads to it.')
@allowed([
  'Enabled'
  'Disabled'
])
param publicNetworkAccess string

@description('Most days that the scheduler keeps ended instances.')
param longestRetentionDays int

@description('Address ranges that may open a connection; an Entra token with the role is needed besides. An empty list blocks everyone.')
@minLength(1)
param allowedIpRanges array

@description('Days after which the app purges ended instances; the scheduler does two weeks later, or when it must.')
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
    publicNetworkAccess: publicNetworkAccess
    sku: sku == 'Dedicated' ? { name: sku, capacity: capacity } : { name: sku }
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
    retentionPolicies: [{ retentionPeriodInDays: min(historyRetentionDays + 14, longestRetentionDays) }]
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

@description('Resource id of the scheduler.')
output id string = scheduler.id

@description('Name of the scheduler.')
output name string = scheduler.name

@description('Endpoint of the scheduler.')
output endpoint string = scheduler.properties.endpoint
