#!/bin/sh
# serve.sh VENV PORT: the service from this checkout with the emulated NPU, as an ordinary user.
# Its "device" is an ordinary file, its model the stand-in; nothing outside .build/ is written.
set -eu
venv=$1
port=$2
data=$PWD/.build/serve-data
hef=$data/resources/Qwen2-VL-2B-Instruct.hef

"$venv/bin/python" - "$port" <<'EOF' || exit 1
import socket, sys

port = sys.argv[1]
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", int(port) or -1))
    except OSError as error:
        sys.exit(f"PORT={port} can't be had ({error.strerror}): choose another, as in `make serve PORT=11439`.")
    except (OverflowError, ValueError):
        sys.exit(f"PORT must be a whole number from 1 to 65535, not {port!r}.")
EOF
mkdir -p "$data/resources"
export PYTHONPATH="$PWD/emulator" HAILO_EMULATOR_DEVICE="$data/npu" HAILORT_LOGGER_PATH=NONE
[ -e "$data/npu" ] || : >"$data/npu"
[ -e "$hef" ] || "$venv/bin/python" -m hailo_platform._emulator.hef make "$hef"
cat >"$data/hailo-vision.yaml" <<EOF
server:
  host: 127.0.0.1
  port: $port
model:
  resources_dir: $data/resources
npu:
  device_nodes: [$data/npu]
EOF

cat <<EOF
The service starts on http://127.0.0.1:$port with an emulated NPU, which loads the model in 10 s. Ctrl-C stops it.
The address is a page for a browser. In another terminal:

  curl -s http://127.0.0.1:$port/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"model": "qwen2-vl-2b-instruct", "messages": [{"role": "user", "content": "Who are you?"}]}'
  OLLAMA_HOST=http://127.0.0.1:$port ollama run qwen2-vl-2b-instruct "What is in ./tests/data/chelsea.jpg"
  $venv/bin/hailo-vision ask tests/data/chelsea.jpg "What is in this picture?" --url http://127.0.0.1:$port

EOF
exec "$venv/bin/hailo-vision" serve --config "$data/hailo-vision.yaml"
