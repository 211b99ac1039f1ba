#include <algorithm>
#include <unordered_map>

#include "assist/grounding_internal.h"
#include "core/error.h"

namespace attune::assist {
namespace {

using Words = std::vector<std::string>;

struct Row {
  WordKind kind;
  int count;
  std::string_view phrases;  ///< '|' between phrases; hyphens are spaces
};

// Everything a reason may say besides titles, years and genres. A longer phrase wins over a shorter one. Words that could claim something
// about the film (its story, people, quality, fame, length, country) do not stand here: they are refused because nobody listed them.
constexpr Row kLexicon[] = {
    // Grammar.
    {WordKind::kLight, 0,
     "a|an|the|this|that|these|those|which|what|who|whom|of|for|in|on|to|at|with|from|as|is|are|was|be|been|being|it|it's|its|that's|"
     "towards|toward|also|too|really|quite|rather|so much|very much|very|indeed|certainly|clearly|exactly|precisely|some|any|would|"
     "could|should|may|might|can|will|do|does|did|happen to|happens to|tend to|seem to|seems to|appear to|plainly|evidently|obviously|"
     "usually|often|always|generally|such|a bit of|a little|a little bit of|a lot of|plenty of|lots of|'s|by the name of|among|"
     "amongst|when it comes to|here's|there's|into|sure to|bound to|likely to|certain to|one|ones|as it happens|already|still|simply|"
     "truly|surely|particularly|especially|above all|in particular|in fact|after all|of course|right|squarely|firmly|directly|even|"
     "now|again|clear|stated|declared|evident|both as|either|somewhat|mostly for|chiefly for|mainly for|a taste of|a good deal of|"
     "a touch of|a dash of|a dose of|a hint of|a helping of|a portion of|a pinch of|a spot of|a bit|a share of|usual|regular|"
     "customary|constant|onto|upon|almost|nearly|sometimes|ever|all right|somehow"},
    {WordKind::kAnd, 0, "and|plus|and also|as well as|and a bit of|and some|and a little|and then|and even|and too"},
    {WordKind::kOr, 0, "or"},
    {WordKind::kYou, 0, "you|you'd|you'll|you've|you're|yourself|yours"},
    {WordKind::kYour, 0, "your"},
    {WordKind::kNeutral, 0,
     "i|i'd|i'll|i've|i'm|me|my|mine|we|us|our|let's|by|out|up|down|over|under|between|beside|besides|along|alongside|together|"
     "next to|side by side|along with|together with|on top of|on top|in addition to|in addition|here|there|then|so|because|since|"
     "for that reason|therefore|thus|hence|where|how|why|when|than that|both ways|at once|all at once|in one|in one go|in one film|"
     "all in one|at the same time|in equal measure|in equal parts|equal parts|in equal shares|in turn|alike|as well|and so|so that|"
     "that way|this way|in short|in a word|in brief|in other words|to be sure|for sure|no doubt|without doubt|no wonder|accordingly|"
     "perhaps|maybe|probably|possibly|likely|altogether|within|per|via|about it|by genre|by label|by way of|by the label|on paper|"
     "on the label|on its label|according to|according to the catalogue|the catalogue|catalogue|has|have|had|having|must|need|needs|"
     "shall|let me|lets you|allow me|permit me|how about|what about|why not|whether|there you go|for one thing|to boot|in store|"
     "on offer|in the mix|into the bargain|in the bargain|on board|on hand|in it|to it|of it|on it|with it|for it|at that|with that|"
     "for that|as such|as it is|as they are|this time|for a start|to start with|not much to add|not much more to add|nothing to add|"
     "nothing more to add|no more to say|nothing more to say|little to add|i need no other reason|needs no more reason|"
     "all the reason i need|the reason i need|reason enough|enough of a reason|all you need|need i say more|say no more|"
     "not only|not just|not merely|is why|that is why|that's why|which is why|hence the|thanks to|given|"
     "given that|going by|judging by|knowing|knowing that|considering|seeing as|seeing that|now that|in view of|in light of|"
     "in the light of|due to|owing to|on account of|on the basis of|in keeping with|in line with|true to|close to|near to|near|"
     "in answer to|in reply to|in response to|with a view to|in accordance with|in tune with|in step with|all the same|at any rate|"
     "in any case|either way|in that case|in this case|don't you|do you not|under one roof|in one package|in one place|"
     "rolled into one|wrapped in one|all told|all in all|so far|as far as i can see|as far as i know|if i may|if i may say so|"
     "among other things|for what it is worth|to my mind|in my view|if you ask me"},
    // Recommending.
    {WordKind::kNeutral, 0,
     "try|trying|take|takes|taking|see|seeing|watch|watching|picks|picked|choose|chooses|chose|chosen|suggest|suggests|suggesting|"
     "suggested|recommend|recommends|recommended|recommending|propose|proposes|proposed|offer|offers|offered|offering|give|gives|gave|"
     "given to|giving|bring|brings|bringing|brought|put|puts|putting|go|goes|going|come|comes|came|coming|get|gets|getting|find|finds|"
     "found|finding|think|thinks|think of|thought|thought of|believe|guess|say|says|said|tell|tells|told|call|calls|called|name|named|"
     "names|note|notes|noted|mean|means|meant|consider|considered|make|makes|making|made|settle|settle on|settled on|point|points|"
     "pointing|pointed|queue|line up|slot|add|adds|added|adding|look|looks|looking|expect|expecting|promise|promises|remember|keep|"
     "keeps|keeping|kept|hold|holds|holding|invite|invites|serve|serves|served|serving|deliver|delivers|delivering|provide|provides|"
     "providing|supply|supplies|contain|contains|carry|carries|carried|carrying|bear|bears|wear|wears|present|presents|feature|"
     "features|featuring|cover|covers|covering|tick|ticks|ticking|include|includes|including|included|involve|involves|comprise|"
     "comprises|consists of|consist of|qualify|qualifies|qualified|rank|ranks|stand|stands|sit|sits|sitting|fall|falls|falling|land|"
     "lands|lean|leans|belong|belongs|belonging|count|counts|counted|counting|listed|file|filed|files|labelled|labeled|tagged|marked|"
     "classed|classified|categorised|categorized|catalogued|cataloged|sorted|placed|registered|entered|described|released|release|"
     "dated|dates|dating|date|dates back|date back|dating back|appeared|appear|appears|arrives|arrived|arriving|premiered|hails|hail|"
     "hailing|stems|stem|stemming|lies|lie|rests|deserve|deserves|merit|merits|worth|spend|spare an evening|hope|trust|bet|seems|seem|"
     "sounds|sound|feels|feel|agree|agrees|welcome|ask|happens|happen|proves|prove|remains|remain|stays|stay|know|suppose|reckon|"
     "figure|gather|imagine|explain|explains|explained|speaks for|speak for|has to offer|has in store|has going for it|makes up|"
     "make up|made up of|go with|goes with|goes well with|go well with|sits well with|set beside|set next to|catered for|"
     "taken care of|provided for|accounted for|boasts|boast|packs|pack|suggests itself|presents itself|offers itself|"
     "recommends itself|comes to mind|come to mind|came to mind|springs to mind|made me think of|makes me think of|puts me in mind of|"
     "written on its label|written on the label|written on it|round off|rounds off|ends up|doubles as|double as|doubling as|"
     "does double duty as|passes for|pass for|goes by|goes under|goes down as|straddles|straddle|spans|bridges|laced with|"
     "flavoured with|spiced with|seasoned with|topped with|sprinkled with|tinged with|back to|go back to|goes back to|"
     "all the way back|back in|a product of|takes you|take you|brings you|bring you|gives you|give you|gets you|get you|it is|"
     "is down as|down as|rubs shoulders with|goes hand in hand with|hand in hand|well|nicely|gladly|happily|warmly|heartily|strongly|"
     "could do worse than|could do worse|will do|should do|would do|will do nicely|in mind|something|same|through|throughout|across|"
     "off|ahead|aside|apart|else|anywhere|somewhere|one more|once more|what is more|what's more|more of the same|more of what|"
     "some more|first of all|first and foremost|in the first place|at first sight|at first glance|last but not least|pleased to hear|"
     "hear|hears|heard|cannot be missing|must not be missing|should not be missing|should not be left out|wait|waits|waiting|please|"
     "today|soon|some day|one day|watchlist|watch list|to do list|shortlist|cinema|sofa|couch|popcorn|at home|living room|spell|"
     "spells|reads|read|claims|claim|owns|own|as simple as that|simple as that|rack|drawer|bracket|club|variety|persuasion|stripe|"
     "vein|brand|ilk|breed|so to speak|as it were|if only|if only for|go for it|yes|i highly recommend|i strongly recommend|slots in|"
     "slips in|comes in|come in|has in it|goes in for|it had to be|had to be|may as well|might as well|just as well|"
     "no more and no less|neither more nor less|nothing less than|in its own way|of its own|all that|all this|on that score|"
     "on this score|on that count|on this count|in that respect|in this respect|to that end|with that in mind|bearing in mind|"
     "keep in mind|bear in mind|in return|as promised|as ever|as usual|as always|by all means|at least|at last|for now|for the moment|"
     "for the record|for good measure|for what it's worth|for your next evening|in your direction|your way|sits next to|sits beside|"
     "stands next to|stands beside|makes room for|leaves room for|finds room for|leaves no room for doubt|a case for|makes a case for|"
     "the case for|speaks in favour of|in favour of|in its favour|in your favour|under the heading|under the heading of|"
     "under the label|under the label of|with the label|bears the label|wears the label|opens with|closes with|starts with|"
     "ends up with|rounds it off|tops it off|to go with it|to go with|by the by|by the way|incidentally|simply put|put simply|"
     "in plain words|to name|to name it|by name|as labels go|as genres go|as films go|genre wise|label wise|in terms of genre|"
     "in terms of genres|when all is said|when all is said and done"},
    {WordKind::kNeutral, 0,
     "evening|evenings|tonight|night|nights|weekend|time|moment|chance|reason|reasons|suggestion|suggestions|recommendation|"
     "recommendations|advice|tip|tips|idea|candidate|option|entry|proposal|choices|way|ways|result|answer|answers|mix|mixes|mixed|"
     "mixing|mixture|blend|blends|blended|blending|combine|combines|combined|combining|combination|combinations|unite|unites|united|"
     "uniting|join|joins|joined|joining|merge|merges|merged|merging|marry|marries|married|couple|couples|coupled|weds|pairs|paired|"
     "pairing|pair|share|shares|shared|sharing|meet|meets|meeting|met|cross|crosses|crossed|link|links|linking|tie|ties|fuse|fuses|"
     "fusing|balance|balances|wrapped|bundled|match|matches|matched|matching|fit|fits|fitted|fitting|suit|suits|suited|suitable|"
     "satisfy|satisfies|correspond|corresponds|agree with|lines up|align|aligns|tally|tallies|helping|dose|touch|dash|hint|side|sides|"
     "element|elements|shelf|shelves|bill|heading|section|column|menu|programme|program|ticket|package|plate|screen|spot|fare|"
     "addition|form|half|attached|thrown in|mixed in|blended in|in between|in the middle|at heart|in spirit|by nature|in nature|"
     "by trade|year|the year|the year of|in the year|the decade of|someone|somebody|outing|candidates|tickets|shape|guise|clothes|"
     "dress|terms|matter|matters|question|measure|part|parts|portion|weight|value for your evening"},
    {WordKind::kNeutral, 0,
     "good match|good fit|good choice|good pick|good bet|good idea|good candidate|good reason|good reasons|good place to start|"
     "good start|good chance|good suggestion|good option|good time|good way|good evening|good company for|fine match|fine choice|"
     "fine fit|safe bet|safe choice|safe pick|natural choice|natural pick|natural fit|natural match|obvious choice|obvious pick|"
     "sensible choice|easy choice|easy pick|easy decision|fair choice|clear choice|clear match|clear case of|plain choice|"
     "logical choice|logical pick|simple choice|worth a look|worth a try|worth an evening|worth your time|worth your while|"
     "worth watching|worth seeing|worth considering|worth a watch|worth a go|worth a thought|worth your evening|happy to|glad to|"
     "pleased to|full of|equally|fully|fairly|partly|ready to|your next film|next film|your next evening|other reason|other reasons|"
     "each|every reason|enough|much|more than enough|a whole|whole|next on your list|next evening|next"},
    {WordKind::kGenreNoun, 0,
     "film|films|movie|movies|picture|pictures|flick|flicks|title|titles|feature film|motion picture|piece|viewing"},
    {WordKind::kLabelNoun, 0,
     "genre|genres|label|labels|category|categories|tag|tags|headings|box|boxes|ingredient|ingredients|flavour|flavours|flavor|"
     "flavors|fronts|things|marks|strands|worlds|camps|halves"},
    // Taste.
    {WordKind::kLikeVerb, 0,
     "like|liked|love|loved|enjoy|enjoyed|enjoys|likes to see|favour|favoured|favor|favored|prefer|preferred|appreciate|appreciated|"
     "fancy|fancied|adore|adored|treasure|value|cherish|relish|savour|care for|care about|go in for|are fond of|fond of|are into|"
     "really into|are partial to|partial to|are keen on|keen on|have a soft spot for|have a weakness for|have a taste for|"
     "have a liking for|have a fondness for|have a love for|have a love of|have a passion for|have a thing for|have an eye for|"
     "have a nose for|have a heart for|have room for|have time for|make time for|have an appetite for|have a craving for|are drawn to|"
     "drawn to|lean towards|lean toward|lean to|root for|are looking for|are after|gravitate to|gravitate towards|gravitate toward|"
     "keep coming back to|keep returning to|warm to|came for|rate highly|rated highly|rate high|enjoy most|like to see|like to watch|"
     "love to watch|love to see|enjoy watching|enjoy seeing|like watching|like seeing|cannot get enough of|can't get enough of|"
     "never tire of|hold dear|approve of|delight in|take pleasure in|are happy with|are at home in|are at home with|like best|crave|"
     "long for|hunger for|thirst for|thrive on|swear by|stick to|stick with|reach for|cannot resist|can't resist|never say no to|"
     "vote for|opt for|side with|live for|are at ease with|get along with|are crazy about|are mad about|usually look|like to be|"
     "rank high with you|ranks high with you|rate high with you|rates high with you|dear to you|close to you|matter to you|"
     "matters to you|mean a lot to you|means a lot to you|mean much to you|work for you|works for you|do it for you|does it for you|"
     "weigh with you|count with you|counts with you|have a hold on you|draw you|draws you|attract you|attracts you|interest you|"
     "interests you|move you|have in your sights|appeal to you|appeals to you|speak to you|speaks to you"},
    // The same with another subject than "you" say nothing about the taste: "I'd go for".
    {WordKind::kLikeVerb, 1,
     "go for|went for|turn to|want|wanted|ask for|asked for|asked|wish for|wish|wished|look for|looking for|come back to|return to|"
     "take to|go to|come for|look forward to"},
    {WordKind::kLikeNoun, 0,
     "taste|tastes|liking|likings|likes|preference|preferences|fondness|appetite|weakness|soft spot|affection|enthusiasm|interest|"
     "interests|favourite|favourites|favorite|favorites|passion|cup of tea|inclination|inclinations|leaning|leanings|penchant|"
     "predilection|comfort zone|sweet spot|wheelhouse|heart|heart's desire|delight|craving|hunger|thirst|partiality|devotion|"
     "enjoyment|first love|idea of a good evening|idea of a good time|palate|forte|bag|street|alley|lane|ratings|history|domain|field|"
     "area|world|diet|staple|staples|ground|realm|usual fare|habits|habit"},
    {WordKind::kSoftNoun, 0,
     "thing|kind|kinds|pick|sort|sorts|type|types|style|list|lists|pick of|choice|choice of|profile|wishes|wish list|request|order|"
     "good books|turf|line of films|home ground|mood|territory|department|corner"},
    {WordKind::kLikeWhole, 0,
     "is yours|it is yours|are yours|think of you|thinks of you|thought of you|made me think of you|makes me think of you|is for you|"
     "it's for you|are for you|be for you|right up your street|up your street|right up your alley|up your alley|down your street|"
     "down your alley|made for you|one for you|right for you|perfect for you|ideal for you|fit for you|match for you|cut out for you|"
     "meant for you|just for you|just the thing for you|just the thing|the thing for you|suit you|suits you|fit you|fits you|"
     "please you|pleases you|pleasing you|satisfy you|satisfies you|delight you|sure to please|bound to please|certain to please|"
     "likely to please|won't disappoint|will not disappoint|will not disappoint you|won't disappoint you|should not disappoint|"
     "should not disappoint you|perfect match|perfect fit|great match|great fit|great choice|great pick|perfect choice|perfect pick|"
     "ideal choice|ideal pick|ideal match|suit you well|suits you well|suit you fine|sit well with you|sits well with you|"
     "go down well with you|goes down well with you|just right|just right for you|hits the spot|hit the spot|do the trick|"
     "does the trick|home turf for you|after your own heart|a treat for you|treat for you|worth it for you|win you over|should please|"
     "will please|may please|might please|could please|ticks your boxes|tick your boxes|ticks all your boxes|fits the bill|"
     "fit the bill|fills the bill|fill the bill|tempt you|tempts you|tempt|tempts|not be lost on you|in your good books|"
     "everything you could want|all you could want|all you could ask for|go down well|goes down well|down well with you|"
     "be to your liking|in your line|up to your standards|your evening sorted|tick the box|ticks the box|tick all the boxes|"
     "ticks all the boxes"},
    {WordKind::kDislikeVerb, 0,
     "dislike|disliked|dislikes|avoid|avoided|hate|hated|detest|shun|cannot stand|can't stand|cannot bear|can't bear|do without|"
     "would rather not|rather not see|want to avoid|like to avoid|prefer to avoid|tend to avoid|seem to avoid|stay out of|"
     "have no time for|have no taste for|have no liking for|have no interest in|have no patience for|have no use for|do not care for|"
     "don't care for|are no fan of|are not a fan of|are not fond of|are not into|are tired of|turn down|could do without|"
     "can do without|can live without|could live without|would skip|skip|rarely enjoy|keep off|don't want|do not want|don't like|"
     "do not like|don't enjoy|do not enjoy|don't love|do not love|don't fancy|do not fancy|don't go for|do not go for|never touch|"
     "do not touch|frown on|give a miss|give a wide berth|leave alone|have had enough of|keep your distance from"},
    {WordKind::kDislikeVerb, 1,
     "spared|spare you|spares you|sparing you|save you|saves you|saved|saves you from|spared from|safe from|spare you from|"
     "spares you from"},
    {WordKind::kDislikeNoun, 0, "aversion|distaste|aversions|pet hate|bugbear|dislike of|dislike for"},
    {WordKind::kFan, 0,
     "fan|fans|lover|lovers|friend|friends|enthusiast|enthusiasts|buff|buffs|admirer|admirers|devotee|devotees|aficionado|follower|"
     "person"},
    // Logic.
    {WordKind::kNeg, 0,
     "not|no|isn't|aren't|doesn't|don't|didn't|wasn't|won't|can't|cannot|without|never|none|none of|neither|nor|free of|free from|"
     "away from|clear of|nowhere near|rather than|instead of|far from|lacks|lack|lacking|minus|devoid of|nothing|hasn't|haven't|"
     "with no|has no|not any|not a|not an|without any|no trace of|not a trace of|without a trace of|not a bit of|nothing to do with|"
     "has nothing to do with|won't find|will not find|won't find any|won't get|will not get|won't meet|won't see|find no|get no|"
     "see no|no danger of|safe from any"},
    // With "you" in front these are claims about the user.
    {WordKind::kNeg, 1,
     "stays away from|stay away from|keeps away from|keep away from|steers clear of|steer clear of|stays clear of|stay clear of|"
     "keeps clear of|keep clear of|avoids|avoiding|leaves out|leave out|skips|does without|steering clear of|staying away from|"
     "staying clear of|keeping away from|goes without|go without|shuns"},
    // Behind what is denied.
    {WordKind::kNeg, 2,
     "is nowhere to be found|are nowhere to be found|is not to be found|is absent|are absent|is missing|is left out|is kept out|"
     "is not there|is not in it|is not part of it|is not among them|is not among its genres|is not one of its genres|"
     "is not on its label|is not among its labels|is not on the label|is not on the list of its genres"},
    {WordKind::kOnly, 0,
     "that is all|that's all|and that is it|that is all of|all there is to|only|solely|purely|pure|exclusively|nothing else|nothing but|nothing besides|nothing more|alone|through and through|just|merely|"
     "entirely|wholly|strictly|undiluted|unmixed|no other genre|no other label|nothing other than|nothing apart from|and nothing else|"
     "only that|no more than|sole|single|plain|straight|simply and only|from start to finish|all the way through|pure and simple|"
     "plain and simple|from first to last"},
    {WordKind::kBoth, 2,
     "both|both of them|both of which|both of these|both of those|the pair|the two|the duo|each of the two|this pair|that pair|"
     "both of its genres|both its genres|both of the genres|both genres|both labels|the two of them|both sides|both counts|both boxes|"
     "the couple"},
    {WordKind::kBoth, 3, "all three|all three of which|all three of them|the three|the trio|all three genres|all three labels"},
    {WordKind::kBoth, 4, "all four|all four of which|all four of them|the four|all four genres"},
    {WordKind::kBoth, 0, "all of which|all of them|all of these|all of those|each of them|every one of them|each of which|all of it"},
    {WordKind::kThem, 0, "them|they|they're|themselves"},
    {WordKind::kCount, 2, "two|twice|twice over|double|doubly|on two counts"},
    {WordKind::kCount, 3, "three|three times over|threefold|triple"},
    {WordKind::kCount, 4, "four|four times over"},
    {WordKind::kCount, 5, "five"},
    {WordKind::kCount, 6, "six"},
    {WordKind::kOrdinal, 1, "first|former"},
    {WordKind::kOrdinal, 2, "second"},
    {WordKind::kOrdinal, 3, "third"},
    {WordKind::kOrdinal, 9, "last|latter"},
    {WordKind::kContrast, 0,
     "but|though|although|however|yet|even though|even if|while|whereas|despite|in spite of|be warned|be warned that|warned|warn you|"
     "warn you that|warn|mind you|be aware|be aware that|except|except that|admittedly|granted|true|that said|mind|do mind|caution|"
     "beware|only mind|do note|on the other hand"},
    {WordKind::kCondition, 0,
     "if|in case|should you|in the mood for|in the mood|feel like|feel like it|feel like some|provided|should the|whenever|fancy a|"
     "fancy some|fancy an|up for|ready for|looking to|care to|care for some|wants|anyone|anybody|whoever|should you want|"
     "should you like"},
    // Refused, with the fault they show.
    {WordKind::kAward, 0,
     "award|awards|oscar|oscars|prize|prizes|won|wins|win|winner|winners|winning|nominated|nomination|nominations|nominee|acclaimed|"
     "acclaim|praised|praise|critics|critic|critical|box office|hit|hits|blockbuster|famous|fame|celebrated|classic|classics|"
     "masterpiece|beloved|popular|cult|legendary|iconic|best|top|bestselling|academy|golden|globe|festival|jury|honours|honors|"
     "grossing|earned|record|smash|renowned|voted|ranked|rated|success|successful|medal|trophy|honoured|honored|landmark|good|great|"
     "took"},
    {WordKind::kPerson, 0,
     "he|she|him|her|his|hers|starring|stars|starred|star|directed|director|directs|actor|actors|actress|cast|played|plays|playing|"
     "written|writer|writers|produced|producer|voice|voiced|composer|composed|sung|author|performance|performances|brothers|filmmaker|"
     "makers|maker|led by|hero"},
    {WordKind::kRefused, 0,
     "before|after|early|late|mid|later|earlier|ago|decade|decades|century|years|older|newer|old|new|recent|modern|vintage|era|age|"
     "aged|ancient|contemporary|latest|silent|half of|half the"},
};

Words split_words(std::string_view phrase) {
  Words out;
  for (size_t at = 0; at < phrase.size();) {
    const size_t end = std::min(phrase.find(' ', at), phrase.size());
    if (end > at) out.emplace_back(phrase.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

struct Entry {
  Words words;
  WordKind kind;
  int count;
};
using Table = std::unordered_map<std::string, std::vector<Entry>>;  // by first word

const Table& table() {
  static const Table built = [] {
    Table out;
    for (const Row& row : kLexicon) {
      for (size_t at = 0; at < row.phrases.size();) {
        const size_t end = std::min(row.phrases.find('|', at), row.phrases.size());
        Words words = split_words(row.phrases.substr(at, end - at));
        std::vector<Entry>& entries = out[words.front()];
        const bool known = std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.words == words; });
        check(!known, ErrorCode::kInternal, "[lexicon] \"", row.phrases.substr(at, end - at), "\" stands in two rows");
        entries.push_back({std::move(words), row.kind, row.count});
        at = end + 1;
      }
    }
    return out;
  }();
  return built;
}

}  // namespace

PhraseMatch match_phrase(const Tokens& tokens, size_t at) {
  PhraseMatch best;
  const auto found = table().find(tokens[at].text);
  if (found == table().end()) return best;
  for (const Entry& entry : found->second) {
    if (entry.words.size() <= best.length || !starts_with_words(tokens, at, entry.words)) continue;
    best.length = entry.words.size();
    best.entry.kind = entry.kind;
    best.entry.count = entry.count;
  }
  return best;
}

}  // namespace attune::assist
