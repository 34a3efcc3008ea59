"""Names that the applications share."""

HAILO10H_ARCH = "hailo10h"
HAILO8_ARCH = "hailo8"
HAILO8L_ARCH = "hailo8l"
SHARED_VDEVICE_GROUP_ID = "SHARED"
VLM_CHAT_APP = "vlm_chat"
HAILO_FILE_EXTENSION = ".hef"
RESOURCES_ROOT_PATH_DEFAULT = "/usr/local/hailo/resources"
