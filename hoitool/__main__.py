"""`python -m hoitool`."""

from hoitool.cli import main

if __name__ == "__main__":
    main()
