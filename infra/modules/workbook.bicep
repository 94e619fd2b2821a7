metadata description = 'Workbook over the same queries that docs/operations.md explains.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name that the portal shows.')
param displayName string

@description('Resource id of Application Insights.')
param applicationInsightsId string

var charts = [
  {
    title: 'Runs per status'
    query: loadTextContent('../queries/runs-per-status.kql')
    visualization: 'barchart'
  }
  {
    title: 'Duration and polls'
    query: loadTextContent('../queries/duration-and-polls.kql')
    visualization: 'timechart'
  }
  {
    title: 'Tokens used, by agent'
    query: loadTextContent('../queries/tokens-per-agent.kql')
    visualization: 'barchart'
  }
  {
    title: 'Failures, by code'
    query: loadTextContent('../queries/failures-per-code.kql')
    visualization: 'table'
  }
  {
    title: 'Refusals and faults of Foundry'
    query: loadTextContent('../queries/foundry-errors.kql')
    visualization: 'table'
  }
  {
    title: 'Upkeep: orphaned runs and purged instances'
    query: loadTextContent('../queries/upkeep.kql')
    visualization: 'table'
  }
]
var timeRange = {
  type: 9
  content: {
    version: 'KqlParameterItem/1.0'
    parameters: [
      {
        version: 'KqlParameterItem/1.0'
        name: 'TimeRange'
        label: 'Time range'
        type: 4
        isRequired: true
        value: {
          durationMs: 86400000
        }
        typeSettings: {
          selectableValues: [
            { durationMs: 3600000 }
            { durationMs: 14400000 }
            { durationMs: 86400000 }
            { durationMs: 259200000 }
            { durationMs: 604800000 }
            { durationMs: 2592000000 }
          ]
          allowCustom: true
        }
      }
      {
        version: 'KqlParameterItem/1.0'
        name: 'Run'
        label: 'Instance id of a run'
        type: 1
      }
    ]
  }
  name: 'time range'
}
var chartItems = [for chart in charts: {
  type: 3
  content: {
    version: 'KqlItem/1.0'
    title: chart.title
    query: chart.query
    size: 0
    queryType: 0
    resourceType: 'microsoft.insights/components'
    timeContextFromParameter: 'TimeRange'
    visualization: chart.visualization
  }
  name: chart.title
}]
var runTree = {
  type: 3
  content: {
    version: 'KqlItem/1.0'
    title: 'One run: put its instance id in the field above'
    query: replace(loadTextContent('../queries/run-tree.kql'), '<instance_id>', '{Run}')
    size: 0
    queryType: 0
    resourceType: 'microsoft.insights/components'
    timeContextFromParameter: 'TimeRange'
    visualization: 'table'
    gridSettings: {
      hierarchySettings: {
        idColumn: 'id'
        parentColumn: 'parent'
        treeType: 0
        expanderColumn: 'what'
      }
    }
  }
  name: 'one run'
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, displayName)
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    sourceId: applicationInsightsId
    serializedData: string({
      version: 'Notebook/1.0'
      items: concat([timeRange], chartItems, [runTree])
      fallbackResourceIds: [
        applicationInsightsId
      ]
    })
  }
}
