from hailo_vision.cli import main

raise SystemExit(main())
