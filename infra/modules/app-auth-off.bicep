metadata description = 'authMode functionKey: the platform lets requests through to the key check of the app. Deployed, so that an earlier authMode entra ends.'

@description('Name of the function app.')
param functionAppName string

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource authSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  // checkov:skip=CKV_AZURE_222:false positive, publicNetworkAccess is a property of the site, not of its configuration
  // checkov:skip=CKV_AZURE_56:authMode functionKey is the choice of the operator; the app asks for the key
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: false
    }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
    }
  }
}
