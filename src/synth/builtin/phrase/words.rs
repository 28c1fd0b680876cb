//! The closed words of English, by what they do in a phrase.
//!
//! Nothing here may name a thing of one database.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::synth::builtin::english::Affix;
use crate::synth::builtin::query::{Aggregate, Comparison, TimeUnit};

/// Words of a closed phrase at most.
pub(super) const PHRASE_WORDS_MAX: usize = 6;

/// What a closed phrase does. Many do several things; where they stand decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Word {
    /// Asks, and says no more: "show", "what are".
    Lead,
    /// "the", "all"
    Det,
    /// "who", "when", "where": asks for a person, a date, a place.
    Asks(Wh),
    /// Joins a noun to what narrows it: "that", "in", "is".
    Link,
    /// "of"
    Of,
    /// "whose"
    Whose,
    /// "with", "have"
    With,
    /// "not"
    Not,
    /// "without", "have no"
    Without,
    And,
    Or,
    /// "but", "but also"
    But,
    /// "both"
    Both,
    /// "either"
    Either,
    /// "how many", "number of"
    Count,
    Aggregate(Aggregate),
    /// "each", "per"
    Each,
    /// "grouped by"
    GroupBy,
    /// "sorted by", "in order of"
    OrderBy,
    /// "in descending order": true is descending.
    Direction(bool),
    /// "alphabetically"
    Alphabetical,
    Compare(Comparison),
    /// "or more", behind a number
    OrBeyond(Comparison),
    Between,
    Distinct,
    /// "most": true; "fewest", "least": false. Of things counted.
    Most(bool),
    /// "highest": true; "lowest": false.
    Highest(bool),
    /// "most common": true; "least common": false.
    Common(bool),
    /// "top": true, "bottom": false; a number follows.
    Top(bool),
    Like(Affix),
    Missing,
    /// "exists", "is known": filled in.
    Filled,
    Named,
    Their,
    /// "only", "just"
    Only,
    /// "among", "out of"
    Among,
    /// "several": more than one.
    Several,
    /// "percentage of"
    Share,
    /// "all information about": every column
    Everything,
    /// "same"
    Same,
    Unit(TimeUnit),
    /// Says nothing: "also", "there".
    Filler,
    /// "other", "else"
    Other,
}

/// What a question word asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wh {
    Who,
    When,
    Where,
}

/// What a phrase of folded words does.
pub(super) fn words(phrase: &str) -> &'static [Word] {
    static TABLE: LazyLock<HashMap<&'static str, Vec<Word>>> = LazyLock::new(|| {
        let mut table: HashMap<&str, Vec<Word>> = HashMap::new();
        for (word, phrases) in PHRASES {
            for phrase in phrases.split('|') {
                table.entry(phrase.trim()).or_default().push(*word);
            }
        }
        table
    });
    TABLE.get(phrase).map_or(&[], Vec::as_slice)
}

/// Whether a word says what rows do or are without saying which rows they are: a verb that the schema need not know.
pub(super) fn is_verbal(word: &str) -> bool {
    is_verb(word)
        || word.len() > 4 && (word.ends_with("ed") || word.ends_with("ing"))
        || word.len() > 4 && word.ends_with("ly")
}

/// Whether it is one of the verbs that carry nothing but relations between rows.
pub(super) fn is_verb(word: &str) -> bool {
    VERBS.split_whitespace().any(|verb| verb == word)
}

/// Whether a word opens a sentence that asks.
pub(in crate::synth::builtin) fn opens(word: &str) -> bool {
    OPENERS.split_whitespace().any(|opener| opener == word)
}

const OPENERS: &str = "what which who whom whose when where how show list find give return tell display get select \
    report count name compute calculate identify determine retrieve print describe search is are was were do does did \
    has have can could would please for among i we what's who's return fetch output present provide state sort order";

/// Verbs and other words that carry relations between rows and are seldom names of anything.
const VERBS: &str = "live lives play plays work works teach teaches taught own owns offer offers run runs ran use uses \
    belong belongs contain contains include includes hold holds held take takes took taken give gives gave given make \
    makes made get gets got receive receives come comes came go goes went gone appear appears perform performs won win \
    wins lost lose write writes wrote written speak speaks spoken born attend attends participate participates join \
    joins enroll enrolls enrol register registers buy buys bought sell sells sold pay pays paid spend spends spent visit \
    visits order orders place places borrow borrows rent rents lead leads led manage manages direct directs produce \
    produces create creates build builds built publish publishes release releases sing sings sung act acts star stars \
    fly flies flew flown depart departs arrive arrives land lands serve serves support supports provide provides study \
    studies major majors treat treats cause causes happen happens occur occurs exist exists start starts begin begins \
    began end ends finish finishes last lasts cost costs earn earns weigh weighs measure measures become became belongs \
    show shows shown see seen found find finds know known call correspond corresponds stay stays stayed sit sits \
    located situated based listed recorded stored registered called done do does did having been be being able \
    has have had was were is are through via per among within together respectively total altogether currently ever \
    always usually available existing respective corresponding associated related involved information details data \
    record records entry entries row rows value values database table tables item one ones kind sort please \
    someone something anyone anything everyone else times time away according based";

const PHRASES: &[(Word, &str)] = &[
    (
        Word::Lead,
        "show|show me|show us|list|list out|list all|list up|find|find out|find me|give|give me|give us|return|return me|tell me|tell us|\
         display|get|get me|select|report|present|provide|please|can you|could you|would you|compute|calculate|i want|i want to know|\
         i would like|i would like to know|i'd like to know|state|identify|determine|retrieve|fetch|output|print|describe|\
         look up|search for|search|what is|what are|what's|what was|what were|what|what's|which is|which are|which|\
         which was|which were|tell|name|what about|how about|do you know|what does|what do|what did|what has|what have|list down|enumerate|let me know|for|in|whats|\
         who is|who are|who was|who were|sort|order|rank|visualize|plot|draw|want to know|i need|need|we want|how|to|on|from|at|whose|by|of|tell me what|can you tell me|show all|could you tell me",
    ),
    (
        Word::Asks(Wh::Who),
        "who|whom|who is|who are|who was|who were|who has|who have",
    ),
    (
        Word::Asks(Wh::When),
        "when|when did|when was|when were|when is|when does|on what date|on which date|what date|at what time|at which time",
    ),
    (
        Word::Asks(Wh::Where),
        "where|where is|where are|where was|where were|where do|where does|where did",
    ),
    (
        Word::Det,
        "full|complete|the|a|an|all|any|some|those|these|this|that|our|your|my|all the|all of the|any of the|some of the|of the|of all the|of all|all those|all these|us|every one of the|one of the|there any",
    ),
    (
        Word::Link,
        "that|which|who|whom|where|when|in|on|at|from|for|to|by|into|within|during|inside|under|over|about|is|are|was|were|be|been|being|has been|have been|had been|\
         that is|that are|who is|who are|which is|which are|that was|that were|who was|who were|do|does|did|can|could|will|would|\
         as|through|via|against|across|onto|around|near|behind|towards|toward|so|it|they|he|she|them|him|there is|there are|is there|are there|are|belonging to|associated with|related to|\
         corresponding to|according to|based on|located in|located at|in which|for which|on which|at which|to which|from which|by which|by whom|to whom|for whom|with whom|such that|if|had|has|have|used for|used by|used in|made by|available in|available|than|then|while",
    ),
    (Word::Of, "of|of the|for|from"),
    (
        Word::Whose,
        "whose|where the|where|such that|for which the|in which the|when the|and whose|with the|with|having|that has|that have|who has|who have|which has|which have|has|have|had|that had|with a|that has a|has a|have a|having a|with an|that have a|who have a|the|of|a|an|at|in|is|by",
    ),
    (
        Word::With,
        "with|have|has|having|had|that have|that has|who have|who has|which have|which has|who had|that had|which had|with at least one|containing|contain|contains|that contain|that contains|including|include|owning|own|owns|with some|have some|have any|has any|with any|possess|possesses",
    ),
    (
        Word::Not,
        "not|other than|except|except for|excluding|aren't|isn't|wasn't|weren't|don't|doesn't|didn't|do not|does not|did not|is not|are not|was not|were not|never|not in|that is not|that are not|not have|besides|no longer|cannot|can not|can't|outside|outside of|has not|have not|had not|hasn't|haven't|hadn't|are never|is never|was never|were never|have never|has never|had never|not been",
    ),
    (
        Word::Without,
        "without|without any|no|have no|has no|had no|with no|having no|do not have|does not have|did not have|don't have|doesn't have|didn't have|\
         do not have any|does not have any|did not have any|don't have any|doesn't have any|not have any|not having|not having any|never have|never had|have not had|has not had|lack|lacks|lacking|have never had|has never had|\
         who have no|who has no|that have no|that has no|have not any|not a single|not one|there is no|there are no|there is not a single|is there no|does not exist any|do not own|does not own|not own|did not own|never own|not own any|have not|has not|0|zero|not contain|do not contain|does not contain|not include|do not include|does not include|none of the|missing",
    ),
    (
        Word::And,
        "and|,|and also|as well as|along with|together with|and the|and their|and its|plus|&|and then|and all|, and|, and the|, as well as|, along with|, and also|and who|and that|and which|and has|and have|and are|and is|and whose|who also|as well",
    ),
    (
        Word::Or,
        "or|or the|or a|or in|, or|or are|or is|or have|or has|or that|or who|or which|or with|or whose|nor|or of|or from|and/or|or both",
    ),
    (
        Word::But,
        "but|but also|yet|however|, but|but who|but that|but which|but are|but have|but has",
    ),
    (Word::Both, "both|both the|both in|at the same time|all of"),
    (Word::Either, "either|either in|either the|any of"),
    (
        Word::Count,
        "how many|number of|the number of|count|count the|count the number of|count of|the count of|the total number of|total number of|total count of|total number|find the number of|amount of|the amount of|how often|no of|# of|numbers of|the numbers of|the total count of|how many different|quantity of|how many times|number of times|the number of times|count how many|how many total|how many of the|how many of|number|the count|number|the counts of|total amount of|the total amount of|how many kinds of|volume of",
    ),
    (
        Word::Aggregate(Aggregate::Average),
        "average|avg|mean|averages|average of|on average|mean of|the average|the mean|average value of|average number of|the average number of|average amount of|the average amount of|average total",
    ),
    (
        Word::Aggregate(Aggregate::Sum),
        "total|sum|sum of|total of|combined|overall|sum up|total amount of|the total amount of|the total|the sum of|how much|in total|total number of|the total number of|total value of|cumulative|aggregate|accumulated|altogether|amount of|number of",
    ),
    (
        Word::Aggregate(Aggregate::Max),
        "maximum|max|highest|largest|greatest|biggest|maximum of|the maximum|maximum number of|most|longest|latest|most recent|oldest|maximal|top|heaviest|tallest|fastest|peak|maximum value of|best|newest|last",
    ),
    (
        Word::Aggregate(Aggregate::Min),
        "minimum|min|lowest|smallest|minimum of|the minimum|minimum number of|least|shortest|earliest|youngest|minimal|fewest|lightest|slowest|cheapest|minimum value of|first",
    ),
    (
        Word::Each,
        "each|every|per|for each|for every|in each|of each|at each|from each|on each|by each|with each|to each|for each of the|each of the|of each of the|in every|of every|under each|within each|from every|belonging to each|belong to each|for different|in different|of different|with different|at different|by different|for each different|for each possible|across different|for the different",
    ),
    (
        Word::GroupBy,
        "by|grouped by|group by|broken down by|split by|per|for each|according to|by each|by the|for different|and group by|, grouped by|by different",
    ),
    (
        Word::OrderBy,
        "sorted by|ordered by|order by|sort by|in order of|in the order of|ranked by|arranged by|ordered|sorted|sorted in|ordered in|sorted according to|ordered according to|in an order of|sort them by|sort the results by|order them by|order the results by|sort by|sorted based on|listed by|listed in|listed in order of|, sorted by|, ordered by|and sort by|and sort them by|and order by|and order them by|by order of|and sort the results by|order the result by|sort the result by|sort the list by|sort the names by|by|from|and sort|rank by|ranked|ranked from|sorted from|ordered from|arranged in|sort the rows by|in|in the|that are ordered by|that are sorted by|that is ordered by|listed",
    ),
    (
        Word::Direction(true),
        "descending|in descending|desc|in descending order|in the descending order|descending order|decreasing|in decreasing order|decreasing order|from highest to lowest|highest to lowest|from high to low|high to low|from most to least|from largest to smallest|largest to smallest|from the highest to the lowest|highest first|largest first|most recent first|newest first|in reverse order|reverse|reversed|from the most to the least|from the largest to the smallest|from newest to oldest|from latest to earliest|from the most recent|from biggest to smallest|in reverse|from most recent to oldest|from the most recent to the oldest|from most recent to least recent",
    ),
    (
        Word::Direction(false),
        "ascending|in ascending|asc|in ascending order|in the ascending order|ascending order|increasing|in increasing order|increasing order|from lowest to highest|lowest to highest|from low to high|low to high|from least to most|from smallest to largest|smallest to largest|from the lowest to the highest|lowest first|smallest first|earliest first|from earliest to latest|chronologically|in chronological order|from the least to the most|from the smallest to the largest|from oldest to newest|from the earliest to the latest",
    ),
    (
        Word::Alphabetical,
        "alphabetically|in alphabetical order|alphabetical order|alphabetic order|in alphabetic order|in lexicographical order|in lexicographic order|in alphabetical ascending order|lexicographically|in the alphabetical order|alphabetical|in ascending alphabetical order|in an alphabetical order",
    ),
    (
        Word::Compare(Comparison::Greater),
        "more than|over|above|greater than|larger than|higher than|bigger than|exceeding|exceeds|exceed|>|longer than|after|later than|in excess of|upwards of|beyond|heavier than|taller than|is more than|is over|is above|is larger than|is greater than|is higher than|are above|are over|no less more than|that exceed|that exceeds|more|better than|faster than|is longer than|is bigger than",
    ),
    (
        Word::Compare(Comparison::GreaterOrEqual),
        "at least|not less than|no less than|>=|no fewer than|greater than or equal to|equal or more than|equal to or more than|equal to or greater than|minimum|a minimum of|no smaller than|no lower than|more than or equal to|starting from|larger than or equal to|greater or equal to|no earlier than|since|equal or greater than",
    ),
    (
        Word::Compare(Comparison::Less),
        "less than|under|below|fewer than|smaller than|lower than|<|shorter than|before|earlier than|prior to|lighter than|is less than|is under|is below|is smaller than|is lower than|fewer|slower than|is shorter than|less|worse than",
    ),
    (
        Word::Compare(Comparison::LessOrEqual),
        "at most|not more than|no more than|<=|up to|less than or equal to|no greater than|no larger than|no higher than|a maximum of|smaller than or equal to|equal to or less than|equal or less than|no later than|until|lower than or equal to",
    ),
    (
        Word::Compare(Comparison::Equal),
        "equal to|equals|=|exactly|equal|same as|is exactly|the same as|equals to|of|as|is|are|was|were|only|just|with|to|precisely",
    ),
    (
        Word::Compare(Comparison::NotEqual),
        "not equal to|is not equal to|does not equal|other than|not|is not|are not|different from|different than|differs from|!=|<>|isn't|was not|unequal to|not the same as|not equal",
    ),
    (
        Word::OrBeyond(Comparison::GreaterOrEqual),
        "or more|or above|or over|or higher|or greater|or older|or larger|or longer|or later|and above|and over|and more|or bigger|and up|and older|or taller",
    ),
    (
        Word::OrBeyond(Comparison::LessOrEqual),
        "or less|or fewer|or below|or under|or lower|or younger|or smaller|or shorter|or earlier|and below|and under|and younger|or before",
    ),
    (
        Word::Between,
        "between|ranging from|from|in between|in the range of|ranges from|in the range from|in the range|is between|are between|within the range of|range from",
    ),
    (
        Word::Distinct,
        "different|distinct|unique|separate|the different|the distinct|all the different|all distinct|all different|the unique|various|all the distinct|unique values of|non repeated|without duplicates|without repetition|distinctive|different types of|different kinds of",
    ),
    (
        Word::Most(true),
        "most|the most|highest number of|largest number of|greatest number of|most number of|maximum number of|biggest number of|the highest number of|the largest number of|the greatest number of|the most number of|the maximum number of|largest amount of|the largest amount of|the highest amount of|greatest amount of|more|highest count of|the max number of|max number of|highest total number of|the highest total number of|largest total number of|the biggest number of|the most amount of|most amount of|the maximum count of|the highest count of|largest count of|the greatest amount of|a maximum number of|most of the",
    ),
    (
        Word::Most(false),
        "fewest|least|the fewest|the least|lowest number of|smallest number of|least number of|minimum number of|fewest number of|the lowest number of|the smallest number of|the least number of|the minimum number of|the fewest number of|smallest amount of|the smallest amount of|the min number of|min number of|lowest count of|less|the least amount of|least amount of|the lowest count of|the lowest amount of",
    ),
    (
        Word::Highest(true),
        "highest|largest|greatest|biggest|maximum|max|most|top|best|longest|the highest|the largest|the greatest|the biggest|the maximum|the max|the most|the best|the longest|highest value of|high|most amount of|largest amount of|the top|the longest|tallest|heaviest|largest number of|highest number of|greatest number of|maximum number of|most number of|highest amount of|fastest|the fastest|strongest|the greatest number of|the highest number of|the largest number of|the most number of|the maximum number of|the tallest|the heaviest|latest|the latest|most recent|the most recent|newest|last|the last|farthest|the farthest|furthest|deepest|the deepest|oldest|the oldest|widest|the widest|wealthiest|the wealthiest|busiest|the busiest|most expensive|the most expensive",
    ),
    (
        Word::Highest(false),
        "lowest|smallest|minimum|min|least|shortest|fewest|the lowest|the smallest|the minimum|the min|the least|the shortest|the fewest|worst|the worst|smallest number of|lowest number of|least number of|fewest number of|minimum number of|lowest amount of|smallest amount of|slowest|the slowest|bottom|the smallest number of|the lowest number of|the least number of|the fewest number of|earliest|the earliest|first|the first|weakest|nearest|closest|youngest|the youngest|cheapest|the cheapest|lightest|the lightest|low|least expensive|the least expensive",
    ),
    (
        Word::Common(true),
        "most common|the most common|most popular|the most popular|most frequent|the most frequent|most frequently|most commonly|most commonly used|most frequently used|most used|the most used|the most commonly used|the most frequently used|most often|the most often|most prevalent|the most prevalent|most widely used|most typical|most prominent|the most prominent|the most number of times|the most times|the most commonly|the most frequently|most repeated|most widespread|the greatest number of times|the highest number of times|most widely|most numerous|the most numerous|most widely spoken|most predominant|predominant|the predominant|predominantly|most predominantly",
    ),
    (
        Word::Common(false),
        "least common|the least common|least popular|the least popular|least frequent|least frequently|least commonly|least used|the least used|least often|the least commonly used|least commonly used|rarest|the rarest|the least frequent|the least number of times|least frequently used|the fewest times|the least frequently used|least prevalent|the least prevalent",
    ),
    (
        Word::Top(true),
        "top|first|the top|the first|highest|best|largest|leading|biggest|most|the|last|the last|latest|the latest",
    ),
    (
        Word::Top(false),
        "bottom|the bottom|lowest|worst|smallest|least",
    ),
    (
        Word::Like(Affix::Prefix),
        "first letter is|whose first letter is|initial letter is|starting with|starts with|start with|beginning with|begins with|begin with|started with|that starts with|that start with|starting with the letter|starts with the letter|start with the letter|begins with the letter|beginning with the letter|beginning with letter|starting with letter|whose initial is|starts with letter|with prefix|with the prefix|starting in|start with letter|prefixed with|prefixed by|has prefix|have prefix|having the prefix|starting from letter|that begin with|that begins with|has the prefix|have the prefix",
    ),
    (
        Word::Like(Affix::Suffix),
        "ending with|ends with|end with|ending in|ends in|ended with|that ends with|that end with|ending with the letter|ends with the letter|end with the letter|ending with letter|with suffix|with the suffix|end in|that end in|that ends in|has the suffix|has suffix|have suffix|ending in the letter",
    ),
    (
        Word::Like(Affix::Inside),
        "containing|contains|contain|including|includes|include|like|mentioning|mentions|mention|with the word|contains the word|containing the word|contain the word|that contains|that contain|that includes|that include|has the word|have the word|has the substring|with substring|with the substring|contains the substring|contain the substring|containing the substring|has substring|have substring|contains the letter|contain the letter|containing the letter|containing letter|contains letter|which contain|which contains|includes the word|including the word|matching|has the letter|with the letter|having|include the word|containing the words|contains the words|that include the word|that includes the word|includes the substring|include the substring|having the word|contains the phrase|contain the phrase|have the letter|contains substring|contain substring|includes the letter",
    ),
    (
        Word::Missing,
        "empty|missing|unknown|null|blank|not known|not set|not available|is null|is missing|is empty|is unknown|not recorded|nil|not specified|unspecified|is not known|is not available|have no value|has no value|are null|are missing|unavailable|undefined|not assigned",
    ),
    (
        Word::Filled,
        "not null|is not null|known|available|not empty|not missing|is available|is known|specified|recorded|are not null|is not missing|is not empty|are known|are available",
    ),
    (
        Word::Named,
        "named|called|by the name of|with the name|with name|whose name is|titled|entitled|name is|known as|with the title|that is named|that is called|whose names are|is named|is called|with the name of|having the name|by name|that are called|that are named|whose title is|of name|under the name|under the name of|with title|has the name|have the name|has name|has the title|names are|name|is|are|the",
    ),
    (
        Word::Their,
        "their|its|his|her|his or her|the corresponding|corresponding|their corresponding|their respective|the respective|respective|its corresponding|also their|also the",
    ),
    (Word::Only, "only|just|only one|exclusively|solely"),
    (
        Word::Among,
        "among|among the|out of|out of the|of|of all|of the|of all the|among all|among all the|amongst|from|from the|from all|given|considering|for|for the|for all|for all the|amongst the|in|in the|within the|regarding|when considering|with",
    ),
    (
        Word::Several,
        "several|multiple|many|more than one|numerous",
    ),
    (
        Word::Share,
        "percentage of|percent of|the percentage of|share of|proportion of|fraction of|the share of|the proportion of|what percentage of|what percent of|the percent of|the fraction of",
    ),
    (
        Word::Everything,
        "all information about|all the information about|information about|all details of|all the details of|details of|details about|all details about|all details for|all the details for|information do you have on|everything about|all info about|all information of|all the information of|all information for|all columns of|all data of|all data about|full details of|the details of|the information about|all the details about|information of|all information on|all records of|all the available information about|all the data of|the information of|all fields of|detailed information about|detailed information of|all information regarding|all the information for|the detailed information of|all available information about|complete information about|the full details of|full information about",
    ),
    (Word::Same, "same|the same|identical|the identical|shared"),
    (Word::Unit(TimeUnit::Hour), "hour"),
    (Word::Unit(TimeUnit::Day), "day"),
    (Word::Unit(TimeUnit::Week), "week"),
    (Word::Unit(TimeUnit::Month), "month"),
    (Word::Unit(TimeUnit::Quarter), "quarter"),
    (Word::Unit(TimeUnit::Year), "year|calendar year"),
    (
        Word::Filler,
        "also|there|here|do we have|we have|do you have|did we have|are there|is there|were there|was there|in total|in all|total|altogether|overall|respectively|we|you|i|us|me|please|now|currently|already|so far|ever|in the database|in our database|in the table|in our records|on record|in the system|in the dataset|in database|in the list|on file|in the record|in the records|exist|exists|existing|too|still|just|exactly|actually|really|even|been|our|ones|one|as well|then|and then|out|up|different|various|in|together|each time|at all|it|they|them|on the list|own|are shown|is shown|can be found|appear|appears|listed|are listed|is listed|'s|possible|those|information about|details about|details of|information of|information for|the details of|the information of|all details of|all the details of|the record of|the records of|the information about|the list of|list of|a list of|the set of|set of|the values of|the value of|value of|values of|the kinds of|kinds of|the type of records of|the record for",
    ),
    (Word::Other, "other|else|another|others"),
];
