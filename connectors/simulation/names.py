"""Invented people: name pools, e-mail addresses and phone numbers as schools type them.

All draws go through `Draw`, which uses only `random.Random.random()`: the one method whose sequence Python
keeps from version to version, so that a seed gives the same school everywhere.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import MutableSequence, Sequence
from datetime import date, timedelta
from typing import TypeVar

T = TypeVar("T")


def _words(text: str) -> tuple[str, ...]:
    """The words of `text`; `_` stands for a blank inside one."""
    return tuple(word.replace("_", " ") for word in text.split())


FIRST_NAMES = _words(
    """
    Lucas Hugo Enzo Mathis Nathan Théo Louis Raphaël Gabriel Léo Jules Adam Maël Ethan Noah Tom Sacha Yanis
    Axel Clément Maxime Baptiste Romain Valentin Quentin Kévin Florian Jérémy Dylan Mehdi Rayan Mohamed
    Ibrahim Amine Bilal Youssef Karim Moussa Mamadou Ousmane Cédric Damien Fabien Loïc Mickaël Nicolas
    Sébastien Stéphane Thibault Tristan Yann Corentin Erwan Gaël Killian Rémi Simon Samuel Bastien Alexis
    Aurélien Arnaud Éric Frédéric Guillaume Jérôme Julien Ludovic Olivier Xavier Jean-Pierre Jean-Baptiste
    Paul-Henri Marc-Antoine Charles-Édouard João Tiago Wei Abdoulaye Cheikh Adrien Étienne François Grégoire
    Emma Léa Chloé Manon Camille Inès Jade Louise Lina Zoé Zoë Lola Sarah Clara Eva Anaïs Océane Laura Marie
    Pauline Mathilde Justine Lucie Julie Maëlys Lisa Romane Ambre Noémie Juliette Élise Élodie Mélanie
    Morgane Marion Margaux Amandine Audrey Aurélie Céline Coralie Émilie Estelle Fanny Gaëlle Hélène
    Laetitia Maud Myriam Ophélie Perrine Solène Tiphaine Valérie Yasmine Fatima Fatou Aïcha Aminata Nour
    Salma Imane Leïla Samira Mariam Anne-Sophie Marie-Laure Anne-Laure Anne-Claire Lou-Anne Emma-Rose
    Rose-Marie Mei Inês Kadiatou Maëva Célia Nina Adèle Agathe Alix Apolline Capucine Clémence Éléonore Victoire
    El_Hadj Minh_Quang Thi_Lan Thu_Trang Ngô_Thị
    """
)

LAST_NAMES = _words(
    """
    Martin Bernard Petit Dubois Garcia Durand Moreau Lefebvre Leroy Martinez Fontaine Morel Fournier Dupont
    Lambert Rousseau Girard Roux Lefèvre Boyer Bonnet Mercier Muller Guérin Legrand Sanchez Garnier
    Chevalier Faure Perez Clément Fernandez Blanc Morin Gauthier Pereira Perrin Roussel Duval Masson Noël
    Ferreira Lemaire Rivière Marchand Dumont Payet Dufour Joly Blanchard Meunier Caron Gérard Brunet Meyer
    Barbier Leroux Renard Gaillard Picard Giraud Schmitt Vidal Lemoine Roche Aubert Leclercq Bourgeois
    Lacroix Lecomte Fabre Carpentier Vasseur Dumas Rolland Huet Dupuis Guillot Berger Moulin Hoarau Menard
    Deschamps Fleury Boucher Poirier Aubry Royer Maillard Baron Jacquet Hervé Charpentier Klein Cousin
    Collet Léger Bailly Langlois Bouvier Prévost Lebrun Germain Millet Boulanger Leblanc Lévêque Monnier
    Hamon Pelletier Marchal Poulain Lemaître Besson Gillet Weber Michaud Carlier Delaunay Chauvin Maréchal
    Cordier Pasquier Humbert Launay Lesage Navarro Pichon Cohen Sauvage Pineau Lelièvre Reynaud Voisin
    Vallée Coulon Teixeira Gaudin Buisson Blondel Joubert Tanguy Morvan Lévy Courtois Duhamel Delorme Allain
    Texier Bourdon Loiseau Imbert Bègue Labbé Mendès Traoré Diallo Keïta Coulibaly Sow Diop Ndiaye Camara
    Cissé Konaté Touré Barry Bouzid Benali Cherif Haddad Mansouri Saïdi Zerrouki Gonçalves Nguyen Tran Pham
    Huynh Chen Zhang Kaya Yilmaz Öztürk Popescu Kowalski Wójcik Novák Esposito Muñoz Hernández Sánchez
    Ramanantsoa M'Bodj N'Guessan O'Connor D'Almeida Da_Silva Dos_Santos De_Oliveira Le_Gall Le_Goff
    Ben_Salah El_Amrani Aït_Ahmed Le_Thi
    """
)

_HEADS = _words(
    """
    Beau Bel Bois Bon Bour Cam Cas Chan Char Clair Cor Cour Dar Del Des Dom Es Fau Fon Gar Gas Gran Hau Jar
    Lam Lan Lar Mal Mar Mau Mon Mor Par Pel Plan Pom Pra Ques Rou Sau Ser Tou Val Var Ver Vil
    """
)
_TAILS = _words(
    """
    bault beau bert bier bourg champ chet court deau dier doux fort gnac gnard gueux land lier lin main mier
    mont nac nault neau nier pin rac rand rault reau rieu rin sac seau sier thier ton val veau vert vier
    ville
    """
)
_PARTICLES = ("de ", "du ", "de La ", "d'", "Le ", "Des ")
_MAILBOXES = ("mail.example", "courriel.example", "poste.example", "boite.example", "libre.example")

# Two given names of twins that people and programs confuse.
TWINS: tuple[tuple[str, str], ...] = (
    ("Léa", "Léo"),
    ("Mathis", "Mathias"),
    ("Emma", "Emmy"),
    ("Lucas", "Luca"),
    ("Clara", "Carla"),
    ("Julie", "Juliette"),
    ("Nina", "Lina"),
    ("Simon", "Siméon"),
)


class Draw:
    """Random choices that stay the same from one Python version to the next."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng.random

    def chance(self, share: float) -> bool:
        """True in `share` of the draws."""
        return self._random() < share

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return int(self._random() * limit)

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`."""
        return items[self.below(len(items))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Bring `items` into a random order, in place."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]


def plain(text: str) -> str:
    """`text` in lower case, without accents, letters and digits only, words apart by one space."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())


def same_name_key(last: str, first: str) -> tuple[str, ...]:
    """Equal for two spellings of one full name, in any order of its words."""
    return tuple(sorted(plain(f"{last} {first}").split()))


def last_name(draw: Draw) -> str:
    """A last name: common, composed, with a particle, or double."""
    name = draw.pick(LAST_NAMES) if draw.chance(0.4) else draw.pick(_HEADS) + draw.pick(_TAILS)
    shape = draw.below(100)
    if shape < 4 and " " not in name and "'" not in name:
        name = draw.pick(_PARTICLES) + name
    elif shape < 8:
        name += "-" + draw.pick(_HEADS) + draw.pick(_TAILS)
    return name


def first_name(draw: Draw) -> str:
    """A given name; now and then with the blank somebody typed after it."""
    name = draw.pick(FIRST_NAMES)
    return name + " " if draw.chance(0.004) else name


def birth_date(draw: Draw, first_year: int, years: int) -> date:
    """A day in the `years` years from `first_year` on."""
    return date(first_year, 1, 1) + timedelta(days=draw.below(years * 365))


class Mailboxes:
    """Hands out e-mail addresses, never the same one twice (upper and lower case are the same)."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._taken: set[str] = set()

    def personal(self, last: str, first: str, born: date) -> str:
        """An address somebody chose for themselves."""
        one, two = plain(first).replace(" ", ""), plain(last).replace(" ", "")[:40]
        local = self._draw.pick(
            (f"{one}.{two}", f"{one[:1]}{two}", f"{one}{two}{born:%y}", f"{two}.{one}", f"{one}_{born:%y%m}")
        )
        return self._free(local or "contact", self._draw.pick(_MAILBOXES))

    def school(self, last: str, first: str, host: str) -> str:
        """An address the school gave."""
        local = f"{plain(first).replace(' ', '-')}.{plain(last).replace(' ', '-')[:40]}".strip(".")
        return self._free(local or "compte", host)

    def _free(self, local: str, host: str) -> str:
        # Letters outside ASCII cannot stand in an ordinary address.
        local = local.encode("ascii", "ignore").decode().strip(".-_") or "compte"
        address, number = f"{local}@{host}", 2
        while address in self._taken:
            address, number = f"{local}{number}@{host}", number + 1
        self._taken.add(address)
        return address


# Blocks of numbers that the French regulator keeps for fiction: nobody has them.
_FICTION = ("019900", "026191", "035301", "046571", "053649")


def phone_number(draw: Draw) -> str:
    """Ten digits of a French number that nobody has."""
    return f"{draw.pick(_FICTION)}{draw.below(10000):04d}"


def phone_spelling(draw: Draw, digits: str) -> str:
    """`digits` (ten, national) as somebody would type them."""
    pairs = [digits[i : i + 2] for i in range(0, 10, 2)]
    return draw.pick(
        (
            digits,
            " ".join(pairs),
            ".".join(pairs),
            "+33" + digits[1:],
            f"+33 {digits[1]} " + " ".join(pairs[1:]),
            f"0033{digits[1:]}",
            "-".join(pairs),
        )
    )
