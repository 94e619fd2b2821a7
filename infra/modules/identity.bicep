metadata description = 'The identity of the app: the only credential it has.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the user-assigned identity.')
param name string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id of the identity.')
output id string = identity.id

@description('Client id: what the app names when it asks for a token.')
output clientId string = identity.properties.clientId

@description('Object id: what roles are assigned to.')
output principalId string = identity.properties.principalId
