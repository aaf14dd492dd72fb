"""The screens: thin, each in its own module, loaded when it is first opened."""
