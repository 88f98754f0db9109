# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Driver of boards that carry the machine: the same for a serial line, for Zynq's processor, and for the simulated board."""
