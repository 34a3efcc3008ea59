"""The emulator behind the public faces of hailo_platform: chip, session, tokenizer, vision, language."""
