"""The HailoRT that is emulated where no setting names another; each Debian package has its own."""

RELEASE = "5.1.1"
