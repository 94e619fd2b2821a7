metadata description = 'authMode entra: the platform asks every request for a token of an allowed client, in front of the app and of the Durable management API.'

@description('Name of the function app.')
param functionAppName string

@description('Client id of the app registration that stands for this API. Its length is checked, so that nothing is opened without it.')
@minLength(36)
@maxLength(36)
param clientId string

@description('Client ids whose tokens are let in.')
@minLength(1)
param allowedClientIds array

@description('Tenant that issues the tokens.')
@minLength(36)
@maxLength(36)
param tenantId string

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource authSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  // checkov:skip=CKV_AZURE_222:false positive, publicNetworkAccess is a property of the site, not of its configuration
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
      // The console's page and files, which hold no data: a browser needs them before anybody has signed in.
      // One by one, as they are matched: what else a pattern would let through is not documented.
      excludedPaths: [
        '/api/console'
        '/api/console/'
        '/api/console/api.mjs'
        '/api/console/app.mjs'
        '/api/console/console.css'
        '/api/console/htm.mjs'
        '/api/console/live.mjs'
        '/api/console/preact.mjs'
        '/api/console/questions.mjs'
        '/api/console/run.mjs'
        '/api/console/runs.mjs'
        '/api/console/start.mjs'
        '/api/console/text.mjs'
        '/api/console/timeline.mjs'
      ]
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: clientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            'api://${clientId}'
            clientId
          ]
          defaultAuthorizationPolicy: {
            allowedApplications: allowedClientIds
          }
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}
