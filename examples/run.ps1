#Requires -Version 7.4
<#
.SYNOPSIS
    Runs an agent and writes its answer.
.DESCRIPTION
    AGENT_RUNS_URL and AGENT_RUNS_KEY name the app.
    Exit codes: 0 Success, 1 Failed, 3 Cancelled, 4 waits for an answer, 5 refused or not reached, 6 still running.
.EXAMPLE
    ./run.ps1 -Agent history -Message 'Why is the sky blue?'
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $Agent,
    [Parameter(Mandatory)] [string] $Message,
    [ValidateRange(1, 432000)] [int] $TimeoutSeconds = 3600
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
trap { Write-Error $_ -ErrorAction Continue; exit 5 }

$url = if ($env:AGENT_RUNS_URL) { $env:AGENT_RUNS_URL.TrimEnd('/') } else { 'http://localhost:7071' }
$headers = @{}
if ($env:AGENT_RUNS_KEY) { $headers['x-functions-key'] = $env:AGENT_RUNS_KEY }
# 408, 429 and 5xx are asked again; a redirect is not followed, since the key would go along.
$common = @{ MaximumRetryCount = 8; RetryIntervalSec = 5; ConnectionTimeoutSeconds = 150; MaximumRedirection = 0 }

# The key makes a repeated start the same run. The body goes as bytes: their number is known, so they are not chunked.
$body = @{ agent_id = $Agent; user_message = $Message } | ConvertTo-Json
$started = Invoke-RestMethod @common -Method Post -Uri "$url/api/run_agent" `
    -Headers ($headers + @{ 'Idempotency-Key' = [guid]::NewGuid().ToString() }) `
    -ContentType 'application/json; charset=utf-8' -Body ([Text.Encoding]::UTF8.GetBytes($body))
Write-Host "started $($started.id)"

# The app holds each look for up to 100 seconds, and answers as soon as the run has ended or asks something.
$endsAt = [DateTime]::UtcNow.AddSeconds($TimeoutSeconds)
while ($true) {
    $run = Invoke-RestMethod @common -Uri "$url/api/runs/$($started.id)" -Headers ($headers + @{ Prefer = 'wait=100' }) `
        -StatusCodeVariable code -ResponseHeadersVariable answered
    if ($code -ne 202) { break }
    if ($run.required_action) {
        $run.required_action.calls | ConvertTo-Json -Depth 5
        exit 4
    }
    if ([DateTime]::UtcNow -ge $endsAt) { exit 6 }
    Start-Sleep -Seconds ([Math]::Max(1, [int]($answered['Retry-After'] | Select-Object -First 1)))
}

switch ($run.status) {
    'Success' { $run.response; exit 0 }
    'Cancelled' { Write-Warning $run.error.message; exit 3 }
    default { Write-Warning "$($run.error.code): $($run.error.message)"; exit 1 }
}
