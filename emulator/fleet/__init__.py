"""Emulated Raspberry Pis: real systemd machines booted on this computer, reachable over SSH.

``python -m emulator.fleet up --hosts 2`` boots them, ``down`` removes every trace.  Only the standard
library is used here, so that the fleet starts on a machine where nothing has been set up yet.
"""
