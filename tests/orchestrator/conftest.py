"""The SDK parses timestamps with dateutil; the faster parser of the local host makes these tests several times
faster.
"""

from local.functions_host.speedup import install_fast_timestamps

install_fast_timestamps()
