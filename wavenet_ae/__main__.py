"""`python -m wavenet_ae`: the command `wavenet-ae` of a checkout that is not installed."""

from wavenet_ae.cli.main import main

if __name__ == "__main__":
    main()
