"""Fetches a model into a folder, to use it without a network.

Usage: wavenet-ae pull URL --output=FOLDER

    wavenet-ae pull hf://OWNER/NAME --output=model
    wavenet-ae pull gs://BUCKET/runs/paper --output=model

URL names a repository of the Hugging Face Hub (hf://OWNER/NAME[@REVISION]; HF_TOKEN for a private
one), the https:// URL of an export's folder, or the folder of an export or a run in a bucket: of a
run the newest complete checkpoint's averaged weights, or those of RUN/checkpoints/STEP. What has
been fetched is read once to check it. An interrupted call is resumed by the same command.
"""

from absl import flags

from wavenet_ae.cli.command_line import define_path, take_arguments
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import is_url

_SOURCE = take_arguments(
    flags.DEFINE_string("source", None, "The URL of the model's folder."), required=True
)
_OUTPUT = define_path("output", "The folder to write.", required=True)


def main() -> None:
    """Fetches the model and says what it is."""
    if not is_url(_SOURCE.value):
        raise UserError(f"{_SOURCE.value} is not a URL: a folder on this machine needs no pull.")
    from wavenet_ae.system import downloads
    from wavenet_ae.training import trained

    downloads.check_new(_OUTPUT.value)
    model = trained.load_trained(_SOURCE.value)
    downloads.copy(model.folder, _OUTPUT.value)
    print(f"{_OUTPUT.value}: {model.config['task']}, step {model.step}, {model.fingerprint}")
