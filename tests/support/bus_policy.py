# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of a message bus: who may do what on it."""

from enum import StrEnum
from pathlib import Path


class Policy(StrEnum):
    """Who may do what: all everything, or as on the system bus (own no name, call no method)."""

    SESSION = "session"
    SYSTEM = "system"


CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>{policy}</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  {rules}
  {further}
</busconfig>
"""

RULES = {
    Policy.SESSION: """
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>""",
    # as in Debian's /usr/share/dbus-1/system.conf
    Policy.SYSTEM: """
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus.Properties"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"
          send_member="UpdateActivationEnvironment"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>""",
}


def configuration(policy: Policy, socket: Path, further: str) -> str:
    """Return the configuration file for a bus that listens on a socket."""
    return CONFIG.format(policy=policy, socket=socket, rules=RULES[policy], further=further)
