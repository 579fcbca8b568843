#!/usr/bin/env bash
# Installs the package on a machine of the lab. It may run again at any time: an
# upgrade restarts the agent, and never Redis.
set -euo pipefail

dpkg --install /home/vagrant/lab/redfleet.deb
