metadata description = 'Alerts on what the app logs, and on what it does not log. Each resolves by itself.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Prefix of the names of the alert rules.')
param namePrefix string

@description('Resource id of Application Insights.')
param applicationInsightsId string

@description('Resource id of the workspace.')
param workspaceId string

@description('Mail address to notify. Empty: none.')
param email string

@description('Resource ids of action groups that exist, separated by commas. Empty: none.')
param actionGroupIds string

@description('Failed runs within fifteen minutes that are not worth an alert.')
@minValue(0)
param toleratedFailedRuns int

var fiveMinutely = {
  operator: 'GreaterThan'
  windowSize: 'PT15M'
  frequency: 'PT5M'
  periods: 1
}
// Two empty windows of ten minutes in a row: the scan for orphans logs every five minutes, whatever it finds.
var twentyMinutesOfSilence = {
  operator: 'LessThan'
  windowSize: 'PT10M'
  frequency: 'PT10M'
  periods: 2
}
var rules = [
  {
    name: 'failed-runs'
    title: 'Agent runs fail'
    description: 'Runs ended as Failed, other than by their deadline or by what their caller asked for. The code of each is in the log.'
    query: loadTextContent('../queries/failed-runs.kql')
    threshold: toleratedFailedRuns
    severity: 2
    scope: applicationInsightsId
    when: fiveMinutely
  }
  {
    name: 'timed-out-runs'
    title: 'Agent runs time out'
    description: 'Runs did not end within their timeout_seconds, and were cancelled.'
    query: loadTextContent('../queries/timed-out-runs.kql')
    severity: 2
    threshold: 0
    scope: applicationInsightsId
    when: fiveMinutely
  }
  {
    name: 'foundry-access'
    title: 'Foundry refuses the app (401 or 403)'
    description: 'No run can succeed: the identity lacks the Foundry User role, or no token could be had.'
    query: loadTextContent('../queries/foundry-access.kql')
    severity: 1
    threshold: 0
    scope: applicationInsightsId
    when: fiveMinutely
  }
  {
    name: 'orphaned-runs'
    title: 'Orphaned Foundry runs found'
    description: 'Instances were terminated while their Foundry run went on. Cancelled ones cost tokens until then; failed ones still do.'
    query: loadTextContent('../queries/orphaned-runs.kql')
    severity: 3
    threshold: 0
    scope: applicationInsightsId
    when: fiveMinutely
  }
  {
    name: 'server-errors'
    title: 'The app answers 5xx'
    description: 'More than five requests in fifteen minutes were answered 5xx.'
    query: loadTextContent('../queries/server-errors.kql')
    threshold: 5
    severity: 2
    scope: applicationInsightsId
    when: fiveMinutely
  }
  {
    name: 'purge-failures'
    title: 'The nightly purge fails'
    description: 'Messages and answers are kept longer than HISTORY_RETENTION_DAYS.'
    query: loadTextContent('../queries/purge-failures.kql')
    severity: 3
    threshold: 0
    scope: applicationInsightsId
    when: fiveMinutely
  }
  {
    name: 'log-cap'
    title: 'The workspace takes no more logs today'
    description: 'logDailyCapGb is reached: until the next day the other alerts are blind, and the app seems dead.'
    query: loadTextContent('../queries/log-cap.kql')
    scope: workspaceId
    severity: 2
    threshold: 0
    when: fiveMinutely
  }
  {
    name: 'dead-app'
    title: 'The app is silent'
    description: 'The scan for orphans has not logged for twenty minutes: no function is loaded, or the app does not run.'
    query: loadTextContent('../queries/heartbeat.kql')
    threshold: 1
    severity: 1
    when: twentyMinutesOfSilence
    scope: applicationInsightsId
  }
]
var existingGroups = empty(actionGroupIds) ? [] : split(replace(actionGroupIds, ' ', ''), ',')

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

resource alertRules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [for rule in rules: {
  name: '${namePrefix}-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.title
    description: '${rule.description} What to do: docs/runbook.md, under the name of this alert.'
    severity: rule.severity
    enabled: true
    scopes: [
      rule.scope
    ]
    evaluationFrequency: rule.when.frequency
    windowSize: rule.when.windowSize
    autoMitigate: true
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: rule.when.operator
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: rule.when.periods
            minFailingPeriodsToAlert: rule.when.periods
          }
        }
      ]
    }
    actions: {
      actionGroups: concat([actionGroup.id], existingGroups)
    }
  }
}]

@description('Resource ids of the action groups that are told of alerts.')
output actionGroupIds array = concat([actionGroup.id], existingGroups)
