metadata description = 'Private endpoints of one resource, with the DNS zones that lead the app to them.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Resource id of what is to be reached privately.')
param targetId string

@description('Name of it.')
param targetName string

@description('Its services, as Private Link names them: blob, queue, table of a storage account; scheduler.')
param services array

@description('DNS zone of each of them.')
param zoneNames array

@description('Resource id of the virtual network that resolves the private names.')
param virtualNetworkId string

@description('Resource id of the subnet that takes the endpoints.')
param subnetId string

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zoneNames: {
  name: zone
  location: 'global'
  tags: tags
}]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (service, i) in services: {
  parent: zones[i]
  name: 'link-${service}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: virtualNetworkId
    }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [for service in services: {
  name: 'pe-${targetName}-${service}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: service
        properties: {
          privateLinkServiceId: targetId
          groupIds: [
            service
          ]
        }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [for (service, i) in services: {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: service
        properties: {
          privateDnsZoneId: zones[i].id
        }
      }
    ]
  }
}]
