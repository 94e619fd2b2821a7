metadata description = 'Alerts on what the app logs. Each looks every five minutes at the last fifteen, and resolves by itself.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Prefix of the names of the alert rules.')
param namePrefix string

@description('Resource id of Application Insights.')
param applicationInsightsId string

@description('Mail address to notify. Empty: alerts are raised in the portal, nobody is notified.')
param email string

@description('Failed runs within fifteen minutes that are not worth an alert.')
@minValue(0)
param toleratedFailedRuns int

var rules = [
  {
    name: 'failed-runs'
    title: 'Agent runs fail'
    description: 'Runs ended as Failed, other than by their deadline. The code of each is in the log: see docs/operations.md.'
    query: loadTextContent('../queries/failed-runs.kql')
    threshold: toleratedFailedRuns
    severity: 2
  }
  {
    name: 'timed-out-runs'
    title: 'Agent runs time out'
    description: 'Runs did not end within their timeout_seconds, and were cancelled.'
    query: loadTextContent('../queries/timed-out-runs.kql')
    threshold: 0
    severity: 2
  }
  {
    name: 'foundry-access'
    title: 'Foundry refuses the app (401 or 403)'
    description: 'No run can succeed: the identity lacks the Foundry User role, or no token could be had.'
    query: loadTextContent('../queries/foundry-access.kql')
    threshold: 0
    severity: 1
  }
  {
    name: 'orphaned-runs'
    title: 'Orphaned Foundry runs found'
    description: 'Instances were terminated while their Foundry run went on. Cancelled ones cost tokens until then; failed ones still do.'
    query: loadTextContent('../queries/orphaned-runs.kql')
    threshold: 0
    severity: 3
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${namePrefix}-operators'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'agents'
    enabled: true
    emailReceivers: empty(email) ? [] : [{ name: 'operators', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource alertRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: '${namePrefix}-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.title
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [
      applicationInsightsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}]
