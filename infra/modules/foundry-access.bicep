metadata description = 'The role that lets the app run the agents of the Foundry project, which already exists. Deployed into the resource group of the Foundry account.'

@description('Name of the Foundry account.')
param accountName string

@description('Name of the Foundry project.')
param projectName string

@description('Where the role is assigned: on the project, or on the account with all its projects.')
@allowed([
  'project'
  'account'
])
param roleScope string

@description('Object id of the identity of the app.')
param principalId string

var foundryUser = '53ca6127-db72-4b80-b1b0-d745d6d5456d'

resource account 'Microsoft.CognitiveServices/accounts@2025-06-01' existing = {
  name: accountName
}

resource project 'Microsoft.CognitiveServices/accounts/projects@2025-06-01' existing = {
  parent: account
  name: projectName
}

resource projectRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (roleScope == 'project') {
  name: guid(project.id, principalId, foundryUser)
  scope: project
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', foundryUser)
  }
}

resource accountRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (roleScope == 'account') {
  name: guid(account.id, principalId, foundryUser)
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', foundryUser)
  }
}
