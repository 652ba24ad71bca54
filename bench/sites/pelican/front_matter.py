"""Read the corpus's YAML front matter (Pelican's own Markdown reader knows only `key: value` lines).

It does no more than the built-in reader, with PyYAML's C loader. Each post is given the three that follow it.
"""

# mypy: ignore-errors

import yaml
from pelican import signals
from pelican.readers import MarkdownReader
from pelican.utils import pelican_open

COLLECTION_TAG = "post"


class FrontMatterReader(MarkdownReader):
    def read(self, source_path):
        from markdown import Markdown

        with pelican_open(source_path) as text:
            _, head, body = text.split("---\n", 2)
        values = yaml.load(head, Loader=yaml.CSafeLoader)
        values["date"] = str(values["date"])
        values["tags"] = [tag for tag in values["tags"] if tag != COLLECTION_TAG]
        if not hasattr(self, "_converter"):
            settings = self.settings["MARKDOWN"]
            self._converter = Markdown(**{key: settings[key] for key in ("extensions", "output_format")})
        content = self._converter.reset().convert(body)
        return content, {name: self.process_metadata(name, value) for name, value in values.items()}


def add_reader(readers):
    for extension in FrontMatterReader.file_extensions:
        readers.reader_classes[extension] = FrontMatterReader


def link_following(generator):
    for place, article in enumerate(generator.articles):
        article.following = generator.articles[place + 1 : place + 4]


def register():
    signals.readers_init.connect(add_reader)
    signals.article_generator_finalized.connect(link_following)
