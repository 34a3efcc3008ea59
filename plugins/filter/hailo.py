"""All filters of the roles; plugin_utils says what each does."""

from collections.abc import Callable
from typing import Any

from ..plugin_utils import addresses, apt, boot, packages, pem, plan, proposal, supplied


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {
            "hailo_apt_broken": apt.broken,
            "hailo_apt_changes": apt.changes,
            "hailo_apt_refusal": apt.refusal,
            "hailo_boot": boot.plan,
            "hailo_bundle_faults": supplied.bundle_faults,
            "hailo_is_stale": plan.is_stale,
            "hailo_leftovers": plan.leftovers,
            "hailo_members": addresses.members,
            "hailo_networks": addresses.networks,
            "hailo_packages": packages.plan,
            "hailo_pem_fault": pem.fault,
            "hailo_plan": plan.plan,
            "hailo_proposal": proposal.proposal,
            "hailo_supplied": supplied.supplied,
            "hailo_url": addresses.url,
            "hailo_whole_tar": supplied.whole_tar,
        }
