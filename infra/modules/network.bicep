metadata description = 'Virtual network of the private networking option: one subnet for the app, one for private endpoints.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the virtual network.')
param name string

@description('Address space of the virtual network.')
param addressPrefix string

@description('Address range of the subnet of the app.')
param appSubnetPrefix string

@description('Address range of the subnet of the private endpoints.')
param endpointSubnetPrefix string

resource appNsg 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${name}-app-nsg'
  location: location
  tags: tags
  properties: {
    // The subnet is for outbound calls. The default rules keep the internet out; what the platform itself sends to its
    // instances there is not documented, so nothing more is denied.
    securityRules: []
  }
}

resource endpointNsg 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${name}-endpoints-nsg'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'allow-https-from-app'
        properties: {
          description: 'The app reaches storage, and the scheduler, over HTTPS.'
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: appSubnetPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: endpointSubnetPrefix
          destinationPortRange: '443'
        }
      }
      {
        name: 'deny-all-inbound'
        properties: {
          description: 'Nothing else has business with the endpoints.'
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource virtualNetwork 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: appSubnetPrefix
          networkSecurityGroup: {
            id: appNsg.id
          }
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointSubnetPrefix
          privateEndpointNetworkPolicies: 'NetworkSecurityGroupEnabled'
          networkSecurityGroup: {
            id: endpointNsg.id
          }
        }
      }
    ]
  }
}

@description('Resource id of the virtual network.')
output virtualNetworkId string = virtualNetwork.id

@description('Resource id of the subnet that the app sends its outbound calls through.')
output appSubnetId string = '${virtualNetwork.id}/subnets/app'

@description('Resource id of the subnet of the private endpoints.')
output endpointSubnetId string = '${virtualNetwork.id}/subnets/endpoints'
