"""`python -m meshregistry` and the `meshregistry` command."""

from meshregistry.cli import main

if __name__ == "__main__":
    main()
