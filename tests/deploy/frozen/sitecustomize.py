"""Python imports this when it starts. What is there at a fork is nothing for the garbage collector any more.

Ansible forks for each task of each host, and a collection in the child would touch all that it shares with
its parent, which the kernel must then copy: an eighth of a run's processor time.
"""

import gc
import os

os.register_at_fork(before=gc.freeze)
